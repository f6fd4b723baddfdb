"""What a published benchmark of structured pruning for segmentation reads and writes."""
