"""Scheduler, worker processes, local executor, failure types, progress display."""
