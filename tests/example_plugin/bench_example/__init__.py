"""An example plugin: one pruning criterion."""
