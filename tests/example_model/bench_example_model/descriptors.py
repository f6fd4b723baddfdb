"""What the plugin offers; torch-free."""

from pydantic import Field

from harness.registry import ModelDescriptor, Options


class SkipNetOptions(Options):
    """Options of the network."""

    width: int = Field(default=16, ge=2, description="Channels of the first stage.")


SKIP_NET = ModelDescriptor(
    name="skip_net",
    summary="A plain PyTorch encoder-decoder (example plugin).",
    implementation="bench_example_model.model:SkipNetModel",
    task="segmentation",
    options=SkipNetOptions,
    training={"iterations": 1400, "batch_size": 32},
)
