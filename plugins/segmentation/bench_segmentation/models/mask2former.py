"""Mask2Former as its authors train it, from the configs that mmsegmentation ships."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench_segmentation.models.zoo import MMSegZoo
from bench_segmentation.wildscenes_model_descriptors import MASK2FORMER_CONFIG
from harness.registry.descriptors import Options
from harness.registry.model import Model

if TYPE_CHECKING:
    from harness.registry.dataset import DatasetMeta


class Mask2FormerSwinL(Model[Options]):
    """Swin-L and 100 queries, matched to the classes of each image.

    Source: Cheng et al., Masked-attention Mask Transformer for Universal Image Segmentation (2022). It needs mmdet and
    a compiled mmcv.
    """

    def config(self, meta: DatasetMeta) -> dict[str, Any]:
        """Returns the config with the classes of the data set.

        Raises:
            UserError: mmsegmentation is not installed, or comes without this config.
        """
        return MMSegZoo(options=Options(), member=MASK2FORMER_CONFIG).config(meta)
