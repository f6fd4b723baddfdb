"""The results folder: layout, records and their schema, atomic writes, locks, artifacts."""
