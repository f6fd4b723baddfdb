"""Semantic segmentation on mmsegmentation: the task, its models and its data sets."""
