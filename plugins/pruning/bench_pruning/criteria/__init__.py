"""Importance criteria, one a module."""
