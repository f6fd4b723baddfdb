"""The figures of an evaluation: areas, boundaries, and the means that other systems made of them."""
