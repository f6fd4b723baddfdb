"""Segmentation data sets that lie on disk: what they must look like, how they are read, verified and imitated."""
