"""Coupled channels: how they are found, scored, removed and checked."""
