"""The only package that touches torch and mmengine: train, evaluate, compress, measure, check."""
