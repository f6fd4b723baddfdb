"""Turns a published mmseg model config into one for another data set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench_segmentation.models.components import cross_entropy, data_preprocessor, ignore_index
from harness.errors import UserError

if TYPE_CHECKING:
    from harness.registry.dataset import DatasetMeta

SEGMENTORS = ("EncoderDecoder", "CascadeEncoderDecoder")
MASK_CLASSIFIERS = ("MaskFormerHead", "Mask2FormerHead")
"""Heads that make masks from label maps and leave the ignored label at its default."""

SLIDING_KEYS = ("crop_size", "stride")
REMOTE_PREFIXES = ("http://", "https://", "open-mmlab://", "torchvision://", "mmcls://")


def adapt(model: dict[str, Any], meta: DatasetMeta, name: str) -> dict[str, Any]:
    """Returns the config for the classes, ignored label, normalisation and input size of `meta`.

    Pretrained weights are taken out, whole-image inference replaces sliding windows, and softmax
    cross-entropies get the data set's class weights.

    Args:
        model: The `model` of a config file.
        meta: The data set.
        name: What the user called it, for messages.

    Raises:
        UserError: It is no encoder-decoder, a head says no class count, or weights would be fetched.
    """
    config: dict[str, Any] = _plain(model)
    if config.get("type") not in SEGMENTORS:
        message = f"{name} is a {config.get('type')}, not one of {', '.join(SEGMENTORS)}"
        raise UserError(message, "Choose a plain semantic segmentation config.")
    for key in ("backbone", "decode_head"):
        if key not in config:
            message = f"{name} has no {key}"
            raise UserError(message, f"Give its `model` a `{key}`, which a {config['type']} needs.")
    config["data_preprocessor"] = data_preprocessor(meta)
    test = config.get("test_cfg") or {}
    config["test_cfg"] = {key: value for key, value in test.items() if key not in SLIDING_KEYS} | {"mode": "whole"}
    if "img_size" in config["backbone"]:
        config["backbone"]["img_size"] = list(meta.input_size)
    for key in ("decode_head", "auxiliary_head"):
        for head in _heads(config.get(key)):
            if _adapt_head(head, meta) == 0:
                message = f"{name} cannot be adapted: its {key} {head.get('type')} says no num_classes"
                raise UserError(message, "Choose a config whose heads state their number of classes.")
    _refuse_remote_files(config, name)
    return config


def _plain(value: Any) -> Any:
    """Returns JSON data without pretrained weights."""
    if isinstance(value, dict):
        return {
            key: _plain(item)
            for key, item in value.items()
            if key != "pretrained" and not (key == "init_cfg" and _is_pretrained(item))
        }
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value if not _is_pretrained(item)]
    return value


def _is_pretrained(value: Any) -> bool:
    return isinstance(value, dict) and value.get("type") == "Pretrained"


def _heads(head: Any) -> list[dict[str, Any]]:
    if head is None:
        return []
    return head if isinstance(head, list) else [head]


def _adapt_head(head: dict[str, Any], meta: DatasetMeta) -> int:
    """Adapts a head and the heads inside it in place; returns how many class counts it found."""
    found = 0
    old = head.get("num_classes")
    if old is not None:
        found = 1
        head["num_classes"] = len(meta.classes)
        _adapt_no_object_weight(head, old, len(meta.classes))
    if old is not None and ("channels" in head or "ignore_index" in head or head.get("type") in MASK_CLASSIFIERS):
        head["ignore_index"] = ignore_index(meta)
    if "channels" in head and old is not None:
        # One sigmoid output for two classes was the old data set's; with softmax every class has its own.
        head.pop("out_channels", None)
        head.pop("threshold", None)
        head["loss_decode"] = _losses(head.get("loss_decode", {"type": "CrossEntropyLoss"}), meta)
    for key, value in head.items():
        if key == "loss_decode":
            continue
        for inner in value if isinstance(value, list) else [value]:
            if isinstance(inner, dict):
                found += _adapt_head(inner, meta)
    return found


def _adapt_no_object_weight(head: dict[str, Any], before: int, after: int) -> None:
    """Resizes the weights of a mask classifier's loss: one a class, and a last one for `no object`."""
    loss = head.get("loss_cls")
    if not isinstance(loss, dict):
        return
    weights = loss.get("class_weight")
    if isinstance(weights, list) and len(weights) == before + 1:
        head["loss_cls"] = {**loss, "class_weight": [weights[0]] * after + weights[-1:]}


def _losses(losses: Any, meta: DatasetMeta) -> Any:
    """Returns the loss or list of losses for the data set."""
    if isinstance(losses, list):
        return [_losses(loss, meta) for loss in losses]
    if losses["type"] == "CrossEntropyLoss" and not (losses.get("use_sigmoid") or losses.get("use_mask")):
        return cross_entropy(meta, losses.get("loss_weight", 1.0), losses.get("loss_name", "loss_ce"))
    adapted = dict(losses)
    if "class_weight" in adapted:
        adapted["class_weight"] = list(meta.class_weights) or None
    if adapted["type"] == "OhemCrossEntropy":
        adapted["ignore_label"] = ignore_index(meta)
    if adapted["type"] == "DiceLoss":
        adapted["ignore_index"] = ignore_index(meta)
    return adapted


def _refuse_remote_files(value: Any, name: str) -> None:
    """Makes sure that building the config fetches nothing."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            _refuse_remote_files(item, name)
    elif isinstance(value, str) and value.startswith(REMOTE_PREFIXES):
        message = f"{name} cannot be adapted: building it would fetch {value}"
        raise UserError(message, "Choose a config that is built from its own parts.")
