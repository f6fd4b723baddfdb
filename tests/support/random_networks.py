"""Random small networks: any directed acyclic graph of `random_operations`, as data that hypothesis can shrink."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from hypothesis import strategies as st
from one_op_case import CLASSES, conv, shaken
from random_operations import OPERATIONS, Cut, cut_convolution
from torch import nn
from torch.nn import functional as F

LAYERS = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)


@dataclass(frozen=True)
class Step:
    """One operation.

    Attributes:
        operation: Its class.
        reads: Numbers of the results it reads; 0 is the stem's, 1 the first step's.
        width: Channels of what it reads.
        option: See `Operation.options`.
        same_as: Number of the earlier step whose layers it shares, or `None`.
    """

    operation: type
    reads: tuple[int, ...]
    width: object
    option: tuple[int, ...]
    same_as: int | None = None


@dataclass(frozen=True)
class Program:
    """A network as data.

    Attributes:
        stem: Channels of the first convolution.
        steps: The operations in order.
        heads: Numbers of the results that a classifier reads.
    """

    stem: int
    steps: tuple[Step, ...]
    heads: tuple[int, ...]

    @property
    def widths(self) -> list[int]:
        """Channels of each result."""
        return [self.stem, *(step.option[0] for step in self.steps)]

    @property
    def live(self) -> set[int]:
        """Numbers of the results that reach a head."""
        found = set(self.heads)
        for number in range(len(self.steps), 0, -1):
            if number in found:
                found.update(self.steps[number - 1].reads)
        return found


class RandomNetwork(nn.Module):
    """A program with weights."""

    def __init__(self, program: Program, seed: int = 0):
        super().__init__()
        torch.manual_seed(seed)
        self.program = program
        self.stem = conv(3, program.stem)
        self.steps = nn.ModuleList()
        for step in program.steps:
            shared = step.same_as is not None
            self.steps.append(self.steps[step.same_as] if shared else step.operation(step.width, step.option))
        self.heads = nn.ModuleList(conv(program.widths[read], CLASSES, 1) for read in program.heads)
        shaken(self, seed)

    def forward(self, x):
        results = [F.relu(self.stem(x))]
        for step, operation in zip(self.program.steps, self.steps, strict=True):
            results.append(operation(*_of_one_size([results[read] for read in step.reads])))
        return [head(results[read]) for head, read in zip(self.heads, self.program.heads, strict=True)]

    def cut(self, x, kept):
        """Returns the outputs without some filters; what does not reach them is not computed.

        Args:
            x: Images [N, 3, H, W].
            kept: Kept filters by the path of their layer; a layer that is not mentioned keeps all.
        """
        for path, layer in self.named_modules():
            if isinstance(layer, LAYERS):
                width = layer.out_features if isinstance(layer, nn.Linear) else layer.out_channels
                layer.kept = torch.tensor(kept.get(path, range(width)))
        image = Cut(x, torch.arange(3))
        results = [Cut(F.relu(cut_convolution(self.stem, image, self.stem.kept)), self.stem.kept)]
        for number, (step, operation) in enumerate(zip(self.program.steps, self.steps, strict=True), start=1):
            if number not in self.program.live:
                results.append(None)
                continue
            inputs = [results[read] for read in step.reads]
            values = _of_one_size([cut.values for cut in inputs])
            cuts = [Cut(value, cut.channels) for value, cut in zip(values, inputs, strict=True)]
            results.append(operation.cut(*cuts))
        pairs = zip(self.heads, self.program.heads, strict=True)
        return [cut_convolution(head, results[read], torch.arange(CLASSES)) for head, read in pairs]


def kept_filters(model: nn.Module, cut: dict[str, dict[str, list[int]]]) -> dict[str, list[int]]:
    """Returns which filters each layer keeps, by its path: all that is read from a recipe."""
    kept = {}
    for path, layer in model.named_modules():
        dim = "1" if isinstance(layer, nn.ConvTranspose2d) else "0"
        if isinstance(layer, LAYERS) and dim in cut.get(f"{path}.weight", {}):
            kept[path] = cut[f"{path}.weight"][dim]
    return kept


@st.composite
def programs(draw, longest: int = 8) -> Program:
    """Draws a program of 1 to `longest` steps and one or two heads."""
    stem = draw(st.sampled_from((2, 4, 6, 8)))
    steps: list[Step] = []
    widths = [stem]
    for _ in range(draw(st.integers(1, longest))):
        steps.append(draw(_steps(steps, widths)))
        widths.append(steps[-1].option[0])
    last = len(steps)
    return Program(stem, tuple(steps), tuple(sorted({last, draw(st.integers(0, last))}, reverse=True)))


@st.composite
def _steps(draw, steps: list[Step], widths: list[int]) -> Step:
    last = len(widths) - 1
    recent = st.sampled_from((last, last, *range(last)))
    reads = draw(recent), draw(st.integers(0, last))
    choices = [operation for operation in OPERATIONS if operation.options(_width(operation, reads, widths))]
    operation = draw(st.sampled_from(choices))
    width = _width(operation, reads, widths)
    step = Step(operation, reads[: operation.inputs], width, draw(st.sampled_from(operation.options(width))))
    twins = [n for n, other in enumerate(steps) if (other.operation, other.width) == (operation, width)]
    if operation.shared and twins and draw(st.booleans()):
        twin = draw(st.sampled_from(twins))
        return Step(operation, step.reads, width, steps[twin].option, same_as=twin)
    return step


def _width(operation: type, reads: tuple[int, int], widths: list[int]) -> object:
    return widths[reads[0]] if operation.inputs == 1 else (widths[reads[0]], widths[reads[1]])


def _of_one_size(values):
    size = max(value.shape[-1] for value in values)
    return [value if value.shape[-1] == size else F.interpolate(value, size=(size, size)) for value in values]
