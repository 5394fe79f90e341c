"""Training losses of response networks, row by row and then averaged with row weights."""

from __future__ import annotations

import math

import torch
from torch.nn.functional import softplus

#: Keeps the gradient of the root finite where a row is met exactly.
EPSILON = 1e-12

LOSSES = ("mrrmse", "mse", "mae", "log-cosh", "mix")
#: Losses that need the error of every gene; the others follow from a row's mean squared error.
ELEMENTWISE = frozenset({"mae", "log-cosh", "mix"})


def row_losses(
    name: str, row_mse: torch.Tensor | None, errors: torch.Tensor | None = None
) -> torch.Tensor:
    """Loss of each row, ``(b,)``.

    Parameters
    ----------
    name
        ``mrrmse``: root mean squared error over the genes, whose mean over rows is the
        competition's metric; ``mse``; ``mae``; ``log-cosh``: mean of log cosh of the error;
        ``mix``: the mean of ``mrrmse`` and ``mae``.
    row_mse
        Mean squared error of each row, ``(b,)``; needed by mrrmse, mse and mix.
    errors
        Prediction minus target, ``(b, n_genes)``; needed by :data:`ELEMENTWISE` losses.
    """
    if name == "mse":
        return _given(row_mse, name)
    if name == "mrrmse":
        return torch.sqrt(_given(row_mse, name) + EPSILON)
    size = _given(errors, name).abs()
    if name == "mae":
        return size.mean(dim=1)
    if name == "log-cosh":
        # log cosh x = |x| + log(1 + exp(−2|x|)) − log 2: no overflow for large errors.
        return (size + softplus(-2.0 * size) - math.log(2.0)).mean(dim=1)
    if name == "mix":
        return 0.5 * (torch.sqrt(_given(row_mse, name) + EPSILON) + size.mean(dim=1))
    raise ValueError(f"unknown loss '{name}'")


def weighted_mean(rows: torch.Tensor, weights: torch.Tensor | None) -> torch.Tensor:
    """Mean of row losses ``(b,)`` with optional row weights ``(b,)``."""
    if weights is None:
        return rows.mean()
    return (rows * weights).sum() / weights.sum()


def _given(value: torch.Tensor | None, name: str) -> torch.Tensor:
    if value is None:
        raise ValueError(f"the loss '{name}' was not given the errors it needs")
    return value
