"""The plain trainings behind a compression: fine-tuning, training from scratch, and none."""
