"""Networks for semantic segmentation, as mmseg configs."""
