"""A Mask2Former whose masks are mixed into classes by one convolution."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench_segmentation.models.components import chosen_loss, ignore_index
from bench_segmentation.models.zoo import MMSegZoo
from bench_segmentation.wildscenes_model_descriptors import MASK_QUERY_CONFIGS, MaskQueryOptions
from harness.registry.descriptors import Options
from harness.registry.model import Model

if TYPE_CHECKING:
    from harness.registry.dataset import DatasetMeta


class MaskQuery(Model[MaskQueryOptions]):
    """`Conv3x3(queries -> classes)` on the mask logits; see `MaskQueryHead`. It needs mmdet and a compiled mmcv."""

    def config(self, meta: DatasetMeta) -> dict[str, Any]:
        """Returns the config of mmsegmentation's Mask2Former with another head.

        Raises:
            UserError: mmsegmentation is not installed, or comes without this config.
        """
        config = MMSegZoo(options=Options(), member=MASK_QUERY_CONFIGS[self.options.backbone]).config(meta)
        losses = chosen_loss(meta, self.options)
        del config["decode_head"]["train_cfg"]  # of the matching
        config["decode_head"] = {
            **config["decode_head"],
            "type": "bench_segmentation.networks.mask_query_head.MaskQueryHead",
            "num_queries": self.options.num_queries,
            "ignore_index": ignore_index(meta),
            "loss_decode": losses if isinstance(losses, list) else [losses],
        }
        return config
