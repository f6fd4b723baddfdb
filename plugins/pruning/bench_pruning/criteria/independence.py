"""How much of a set of vectors is lost with each of them, by the nuclear norm."""

from __future__ import annotations

import math

import torch

STEP = 0.3
"""Width of the trapezoids in log x; their error falls as exp(-pi^2 / step): 5e-15."""

BELOW, ABOVE = 30.0, 22.0
"""How far the integral goes to both sides of the largest singular value, in log x."""


def independence(rows: torch.Tensor) -> torch.Tensor:
    """Returns `CI_c = ||A||_* - ||A with row c zeroed||_*` of each row c, [..., C] in 64 bits.

    One eigendecomposition gives all of them, where the definition takes C singular value decompositions. With
    G = A A^T, `pi s = integral over x > 0 of log(1 + s^2 / x^2)` gives `||A||_* = 1/pi integral log det(I + G / x^2)`,
    and a determinant without row and column c is the whole one times entry (c, c) of the inverse, so that

        CI_c = -1/pi integral over x > 0 of log [(I + G / x^2)^-1]_cc.

    With x = exp(u) the integrand is analytic and falls off exponentially to both sides, so that trapezoids converge
    exponentially. Errors are about 1e-9 of the largest singular value.

    Args:
        rows: A, [..., C, D].

    Source: Sui et al., CHIP: CHannel Independence-based Pruning for Compact Neural Networks (NeurIPS 2021).
    """
    matrix = rows.double()
    channels, dimensions = matrix.shape[-2:]
    if channels <= dimensions:
        values, vectors = torch.linalg.eigh(matrix @ matrix.mT)
        values = values.clamp(min=0)
        parts = vectors.square() * values[..., None, :]
    else:
        values, vectors = torch.linalg.eigh(matrix.mT @ matrix)
        values = values.clamp(min=0)
        parts = (matrix @ vectors).square()
    # A row's square, by eigenvector; the share of the row in the vector is part / value.
    largest = values[..., -1:].clamp(min=torch.finfo(torch.float64).tiny)
    values, parts = values / largest, parts / largest[..., None]
    rounding = torch.finfo(torch.float64).eps * max(channels, dimensions)
    present = (values > rounding)[..., None, :]
    parts = torch.where(present, parts, 0.0)
    shares = parts / values[..., None, :].clamp(min=rounding)
    absent = 1 - shares.sum(-1)
    absent = torch.where(absent > rounding, absent, 0.0)
    nodes = torch.arange(-BELOW, ABOVE + STEP / 2, STEP, dtype=torch.float64, device=values.device).exp()
    weights = 1 / (values[..., None] + nodes.square())
    lost = parts @ weights
    left = absent[..., None] + shares @ (weights * nodes.square())  # lost + left = 1; each is exact where it is small
    logarithms = torch.where(lost < 0.5, torch.log1p(-lost.clamp(max=0.5)), left.log())  # noqa: PLR2004
    result: torch.Tensor = -(logarithms @ nodes) * (STEP / math.pi) * largest.sqrt()
    return result
