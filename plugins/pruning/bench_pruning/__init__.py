"""Structured pruning: channels are scored, removed from all layers that share them, and checked."""
