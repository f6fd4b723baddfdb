"""The contract of a model plugin."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from harness.registry.descriptors import Options

if TYPE_CHECKING:
    from harness.registry.dataset import DatasetMeta

OptionsT = TypeVar("OptionsT", bound=Options)


@dataclass(kw_only=True)
class Model(ABC, Generic[OptionsT]):
    """A network as a config that its task can build.

    Attributes:
        options: Validated options.
        member: For a zoo, the part of the name behind `::`; empty otherwise.
    """

    options: OptionsT = field()
    member: str = ""

    @abstractmethod
    def config(self, meta: DatasetMeta) -> dict[str, Any]:
        """Returns the model config adapted to the data set: class count, normalisation, input size.

        The result must be plain JSON data and must not fetch anything when built: it is stored in
        artifacts and rebuilt from there.

        Raises:
            UserError: The zoo has no such member, or it cannot be adapted.
        """
