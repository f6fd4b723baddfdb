"""Digit scenes: a generated, learnable data set for dense prediction that needs no download.

Real 8x8 handwritten digits (scikit-learn) are pasted into crops of real photos (scikit-image, scikit-learn). Splits
share neither digits nor photos. Scene `i` depends on the split, the seed, the size and `i` only.
"""

from bench_digits.fingerprint import fingerprint
from bench_digits.generator import SceneGenerator
from bench_digits.scene import CLASSES, IGNORE_INDEX, PALETTE, Scene

__all__ = ["CLASSES", "IGNORE_INDEX", "PALETTE", "Scene", "SceneGenerator", "fingerprint"]
