"""A context under protocol `seed`."""

from dataclasses import replace

from pruning_fakes import FakeContext


def seeded(classes=4, **keys):
    """Returns a context whose data set has as many classes as the toy networks."""
    context = FakeContext(**keys)
    context.protocol = "seed"
    context.meta = replace(context.meta, classes=tuple(f"class {number}" for number in range(classes)))
    return context
