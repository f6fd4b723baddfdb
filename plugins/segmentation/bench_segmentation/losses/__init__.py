"""Losses of the heads, in mmseg's registry and by the signature that its heads call; one loss a module."""
