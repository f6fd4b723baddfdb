"""Networks that mmseg does not have, as plain modules with the names of their published checkpoints."""
