"""Multi-task linear regression with a group lasso on the rows of the coefficients.

Minimises, over ``B`` of shape ``(p, q)``,

    ``1/(2n) ‖Y − X B‖²_F + λ Σ_j w_j ‖B_j‖₂``

(Yuan & Lin, *J. R. Stat. Soc. B* 68, 2006; Obozinski, Taskar & Jordan, *Stat. Comput.* 20, 2010),
the problem that scikit-learn's ``MultiTaskLasso`` solves with ``w = 1``. A row of ``B`` is a gene,
so a gene is in the model or it is not: rows outside are exactly zero.

Solved by block coordinate descent on the Gram matrix, along a path of falling penalties with warm
starts. Each penalty begins with the genes that the sequential strong rule keeps (Tibshirani et al.,
*J. R. Stat. Soc. B* 74, 2012); the Karush–Kuhn–Tucker conditions are then checked over **all**
genes, and violators join until there are none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numba
import numpy as np

#: Relative to λ: how far a KKT condition may be off.
TOLERANCE = 1e-4
MAX_SWEEPS = 2000


@dataclass(frozen=True)
class Problem:
    """The problem in terms of second moments, all float64 or all float32.

    Attributes
    ----------
    gram
        ``XᵀX/n``, ``(p, p)``.
    cross
        ``XᵀY/n``, ``(p, q)``; transposed rotations of ``Y`` leave the solution's row norms as
        they are, so targets may be principal components.
    target
        ``‖Y‖²/n``: the loss without any gene is half of it.
    weights
        ``w``, ``(p,)``, positive.
    """

    gram: np.ndarray
    cross: np.ndarray
    target: float
    weights: np.ndarray

    @classmethod
    def of(cls, X: np.ndarray, Y: np.ndarray, weights: np.ndarray | None = None) -> Problem:
        """The problem of centred data ``X`` ``(n, p)`` and ``Y`` ``(n, q)``."""
        n, p = X.shape
        w = np.ones(p, dtype=X.dtype) if weights is None else np.asarray(weights, dtype=X.dtype)
        target = float(np.einsum("ij,ij->", Y, Y, dtype=np.float64)) / n
        return cls(X.T @ X / n, X.T @ Y / n, target, w)

    @property
    def max_penalty(self) -> float:
        """The least λ at which no gene is in the model."""
        return float((np.linalg.norm(self.cross, axis=1) / self.weights).max())


@dataclass(frozen=True)
class Solution:
    """The minimiser at one penalty.

    Attributes
    ----------
    penalty
        λ.
    active
        Genes in the model, ascending, ``(a,)``; every other row of ``B`` is exactly zero.
    coefficients
        Their rows of ``B``, ``(a, q)``.
    loss
        ``1/(2n) ‖Y − X B‖²``.
    kkt
        Largest violation of a KKT condition over all genes, relative to ``λ w_j``.
    sweeps
        Sweeps of the coordinate descent.
    """

    penalty: float
    active: np.ndarray
    coefficients: np.ndarray
    loss: float
    kkt: float
    sweeps: int

    @property
    def norms(self) -> np.ndarray:
        """``‖B_j‖₂`` of the active genes."""
        return np.linalg.norm(self.coefficients, axis=1)

    def full(self, p: int) -> np.ndarray:
        """``B`` with all its rows, ``(p, q)``."""
        every = np.zeros((p, self.coefficients.shape[1]), dtype=self.coefficients.dtype)
        every[self.active] = self.coefficients
        return every


@numba.njit(cache=True, fastmath=False)
def _sweep(gram, gradient, rows, weights, penalty, where):  # pragma: no cover - compiled
    """One pass over the blocks in ``where``; returns the largest change relative to its gradient.

    ``gradient`` is ``XᵀY/n − G B`` of the working genes and is kept up to date.
    """
    q = gradient.shape[1]
    largest = 0.0
    z = np.empty(q, dtype=gradient.dtype)
    delta = np.empty(q, dtype=gradient.dtype)
    for j in where:
        own = gram[j, j]
        if own <= 0:
            continue
        squared = 0.0
        for t in range(q):
            z[t] = gradient[j, t] + own * rows[j, t]
            squared += z[t] * z[t]
        norm = np.sqrt(squared)
        limit = penalty * weights[j]
        factor = (1.0 - limit / norm) / own if norm > limit else 0.0
        moved = 0.0
        for t in range(q):
            value = factor * z[t]
            delta[t] = value - rows[j, t]
            rows[j, t] = value
            moved += delta[t] * delta[t]
        if moved == 0.0:
            continue
        change = own * np.sqrt(moved) / limit
        if change > largest:
            largest = change
        for i in range(gradient.shape[0]):
            g = gram[i, j]
            for t in range(q):
                gradient[i, t] -= g * delta[t]
    return largest


def _descend(
    problem: Problem, working: np.ndarray, start: np.ndarray, penalty: float, tolerance: float
) -> tuple[np.ndarray, int]:
    """Rows of ``B`` for the working genes; sweeps over the non-zero ones between full sweeps."""
    gram = np.ascontiguousarray(problem.gram[np.ix_(working, working)])
    rows = start[working].copy()
    gradient = problem.cross[working] - gram @ rows
    weights, every = problem.weights[working], np.arange(len(working))
    sweeps = 0
    while sweeps < MAX_SWEEPS:
        sweeps += 1
        if _sweep(gram, gradient, rows, weights, penalty, every) < tolerance:
            break
        while sweeps < MAX_SWEEPS:
            inside = np.flatnonzero(rows.any(axis=1))
            sweeps += 1
            if _sweep(gram, gradient, rows, weights, penalty, inside) < tolerance:
                break
        gradient = problem.cross[working] - gram @ rows  # rounding does not add up
    return rows, sweeps


def kkt_violation(
    problem: Problem, active: np.ndarray, coefficients: np.ndarray, penalty: float
) -> tuple[float, np.ndarray]:
    """How far the KKT conditions are off, and ``‖XᵀR/n‖`` of every gene ``(p,)``.

    A zero row needs ``‖X_jᵀR‖/n ≤ λ w_j``; a non-zero row ``X_jᵀR/n = λ w_j B_j/‖B_j‖``. The
    violation is the largest excess or distance, relative to ``λ w_j``.
    """
    gradient = problem.cross - problem.gram[:, active] @ coefficients
    norms = np.linalg.norm(gradient, axis=1)
    limits = penalty * problem.weights
    excess = norms / limits - 1.0
    inside = np.linalg.norm(coefficients, axis=1)
    wanted = (limits[active] / np.maximum(inside, 1e-30))[:, None] * coefficients
    off = np.linalg.norm(gradient[active] - wanted, axis=1) / limits[active]
    excess[active] = off
    return float(max(excess.max(initial=0.0), 0.0)), norms


def solve(
    problem: Problem,
    penalty: float,
    *,
    start: Solution | None = None,
    tolerance: float = TOLERANCE,
) -> Solution:
    """The minimiser at ``penalty``, from ``start`` (a solution at a larger penalty) if given."""
    p, q = problem.cross.shape
    rows = np.zeros((p, q), dtype=problem.cross.dtype)
    before = problem.max_penalty
    ever = np.zeros(p, dtype=bool)
    if start is not None:
        rows[start.active] = start.coefficients
        ever[start.active] = True
        before = start.penalty
    _, norms = kkt_violation(problem, np.flatnonzero(ever), rows[ever], penalty)
    strong = norms >= np.maximum(2 * penalty - before, 0.0) * problem.weights
    # Without a bound on their number, a long step down would make all genes work at once.
    room = max(64, 2 * int(ever.sum()))
    if strong.sum() > room:
        strong &= norms / problem.weights >= np.sort(norms / problem.weights)[-room]
    working = np.flatnonzero(strong | ever)
    sweeps = 0
    while True:
        found, used = _descend(problem, working, rows, penalty, tolerance)
        sweeps += used
        rows[working] = found
        active = working[found.any(axis=1)]
        violation, norms = kkt_violation(problem, active, rows[active], penalty)
        outside = norms > penalty * problem.weights * (1 + tolerance)
        outside[working] = False
        if not outside.any():
            break
        working = np.union1d(working, np.flatnonzero(outside))
    kept = rows[active]
    fit = float((kept * problem.cross[active]).sum(dtype=np.float64))
    quadratic = float((kept * (problem.gram[np.ix_(active, active)] @ kept)).sum(dtype=np.float64))
    loss = 0.5 * problem.target - fit + 0.5 * quadratic
    return Solution(penalty, active, kept, loss, violation, sweeps)


def path(
    problem: Problem,
    *,
    n_genes: int,
    step: float = 0.85,
    least: float = 1e-4,
    tolerance: float = TOLERANCE,
    on_solution: Callable[[Solution], None] = lambda solution: None,
) -> Iterator[Solution]:
    """Solutions at falling penalties until ``n_genes`` are in the model.

    Parameters
    ----------
    n_genes
        Where to stop.
    step
        Ratio of neighbouring penalties.
    least
        Share of the largest penalty at which the path ends in any case.
    """
    top = problem.max_penalty
    penalty, last = top * step, None
    while penalty >= top * least:
        last = solve(problem, penalty, start=last, tolerance=tolerance)
        on_solution(last)
        yield last
        if len(last.active) >= n_genes:
            return
        penalty *= step
