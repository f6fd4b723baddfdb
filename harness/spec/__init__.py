"""What the user asked for: benchmark files, flags and the pipeline language."""
