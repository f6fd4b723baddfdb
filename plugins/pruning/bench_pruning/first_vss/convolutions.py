"""Which convolutions the first VSS benchmark scored, and which normalisation it took for theirs."""

from __future__ import annotations

from torch import nn


def scored_convolutions(model: nn.Module, classes: int) -> dict[str, nn.Conv2d]:
    """Returns the convolutions that may be scored and pruned, by path in the order of the modules.

    Those with a single output channel are left out, and so are those with as many as there are classes, wherever in
    the network they stand.

    Args:
        model: The network.
        classes: How many classes it tells apart; 0 if it has none.
    """
    return {
        path: module
        for path, module in model.named_modules()
        if isinstance(module, nn.Conv2d) and module.out_channels > 1 and module.out_channels != classes
    }


def following_normalizations(model: nn.Module) -> dict[str, nn.BatchNorm2d]:
    """Returns the batch normalisation of each convolution that has one, by the convolution's path.

    It is the module behind the convolution in the order of `modules()`, with nothing in between, whatever the forward
    pass does.
    """
    pairs: dict[str, nn.BatchNorm2d] = {}
    before = ""
    for path, module in model.named_modules():
        if before and isinstance(module, nn.BatchNorm2d):
            pairs[before] = module
        before = path if isinstance(module, nn.Conv2d) else ""
    return pairs
