"""The form of a recipe, checked before anything is read from it: artifacts come from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    StrictInt,
    ValidationError,
    model_validator,
)

from bench_pruning.channels.recipe import ENGINE
from harness.errors import ShapeMismatchError

Index = Annotated[StrictInt, Field(ge=0)]


class Payload(BaseModel):
    """A recipe as `recipe.recipe` makes it, of this version of the engine or an older one.

    Attributes:
        engine: Version of the engine.
        structure: Hash of the names and shapes of the model before; the first version had none.
        kept: Ascending indices that stay, by parameter and dimension.
        shapes: Shapes before, by parameter.
        attributes: [before, after] of integers.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    engine: Annotated[StrictInt, Field(ge=1, le=ENGINE)] = 1
    structure: str | None = None
    kept: dict[str, dict[NonNegativeInt, Annotated[list[Index], Field(min_length=1)]]]
    shapes: dict[str, list[Index]]
    attributes: dict[str, tuple[Annotated[StrictInt, Field(ge=1)], Annotated[StrictInt, Field(ge=1)]]] = {}

    @model_validator(mode="after")
    def _consistent(self) -> Payload:
        for name, dims in self.kept.items():
            shape = self.shapes.get(name)
            for dim, indices in dims.items():
                if shape is None or dim >= len(shape):
                    message = f"`{name}` has no shape with a dimension {dim}"
                    raise ValueError(message)
                if any(one >= other for one, other in pairwise(indices)) or indices[-1] >= shape[dim]:
                    message = f"the kept indices of `{name}` do not ascend within its dimension {dim} of {shape[dim]}"
                    raise ValueError(message)
        for name, (before, after) in self.attributes.items():
            if after > before:
                message = f"`{name}` would grow from {before} to {after}"
                raise ValueError(message)
        return self


def read_payload(data: Mapping[str, Any]) -> Payload:
    """Returns a recipe whose form is right.

    Raises:
        ShapeMismatchError: It is not; the message names the key.
    """
    try:
        return Payload.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        message = f"the pruning recipe{f' at {where}' if where else ''}: {first['msg']}"
        raise ShapeMismatchError(message, "The artifact is damaged or was made by a newer version.") from error
