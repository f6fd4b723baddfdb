"""Pictures of what the models of a cell predict; see `bench show`."""

from harness.engine.pictures.painting import paint_samples

__all__ = ["paint_samples"]
