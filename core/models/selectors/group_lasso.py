"""Group lasso: all genes predict all genes through few, by a penalty on each gene's row."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pandas as pd
from pydantic import Field

from core.models import group_lasso as solver
from core.models.base import Params
from core.models.principal import principal_components
from core.models.selectors.base import (
    SELECTORS,
    GeneSelector,
    Selection,
    centred,
    checked,
    completed,
)
from core.progress import OnProgress, silent

#: Bisections of the last step of the path, towards the wanted number of genes.
BISECTIONS = 6


class GroupLassoParams(Params):
    """What is predicted, and how finely the penalties are spaced."""

    n_components: int = Field(
        30,
        ge=1,
        le=2000,
        title="Components",
        description="Targets: principal components of all genes, which leave the rest as noise. "
        "With as many as the matrix has ranks the problem is that of all genes as targets.",
    )
    scaling: float = Field(
        1.0,
        ge=0,
        le=1,
        title="Scaling",
        description="Penalty of a gene: its standard deviation to this power. 1: as if genes were "
        "standardised; 0: genes that vary more are cheaper.",
    )
    step: float = Field(
        0.8,
        gt=0.1,
        lt=1,
        title="Step",
        description="Ratio of neighbouring penalties of the path.",
    )
    tolerance: float = Field(
        1e-2,
        gt=0,
        le=0.1,
        title="Tolerance",
        description="Relative violation of the optimality (KKT) conditions that is accepted.",
    )


@SELECTORS.register(
    "group_lasso",
    label="Group lasso",
    help="A linear model from all genes to all genes in which whole genes are exactly zero; the "
    "penalty falls until enough genes are in.",
)
class GroupLasso(GeneSelector):
    """Path of the multi-task group lasso; see :mod:`core.models.group_lasso`.

    The targets are the leading principal components of the same genes. A rotation of the targets
    leaves the rows' norms, and so the genes in the model, as they are: with all components the
    problem is exactly the one with all genes as targets.
    """

    Params: ClassVar[type[Params]] = GroupLassoParams

    def select(
        self,
        X: np.ndarray,
        k: int,
        *,
        seed: int = 0,
        on_progress: OnProgress = silent,
        start: Any = None,
    ) -> Selection:
        """Genes in the model at the penalty where ``k`` of them are, largest contribution first."""
        params = self.params
        values = centred(checked(X, k))
        components = principal_components(values, params.n_components, seed=seed)
        spread = np.sqrt(np.einsum("ij,ij->j", values, values) / len(values))
        weights = np.maximum(spread, 1e-3 * spread.max()) ** params.scaling
        problem = solver.Problem.of(values, components.scores, weights)
        problem = _without_constant(problem, spread)
        found: list[solver.Solution] = []

        def report(solution: solver.Solution) -> None:
            found.append(solution)
            n = len(solution.active)
            on_progress(min(n, k), k, f"{n:,} genes at penalty {solution.penalty:.3g}")

        for _ in solver.path(
            problem, n_genes=k, step=params.step, tolerance=params.tolerance, on_solution=report
        ):
            pass
        last = _closest(problem, found, k, params.tolerance, report)
        entered = _entrance(found, values.shape[1])
        size = np.zeros(values.shape[1])
        size[last.active] = last.norms * spread[last.active]
        order = last.active[np.argsort(-size[last.active], kind="stable")]
        score = np.linalg.norm(problem.cross, axis=1).astype(np.float64)
        order = completed(order, score, k)
        why = tuple(
            f"enters at penalty {entered[gene]:.3g}, weight {size[gene]:.3g}"
            if np.isfinite(entered[gene])
            else "fills up the set: next in covariance with the components"
            for gene in order
        )
        return Selection(order, why, path_table(problem, found))


def _without_constant(problem: solver.Problem, spread: np.ndarray) -> solver.Problem:
    """Genes that do not vary have no gradient; an infinite weight keeps rounding out."""
    weights = np.where(spread > 1e-6, problem.weights, np.float32(1e30))
    return solver.Problem(
        problem.gram, problem.cross, problem.target, weights.astype(problem.gram.dtype)
    )


def _closest(
    problem: solver.Problem,
    found: list[solver.Solution],
    k: int,
    tolerance: float,
    report: Any,
) -> solver.Solution:
    """The solution with fewest genes that still has ``k``, by bisection between the last two."""
    last = found[-1]
    if len(last.active) <= k or len(found) < 2:
        return last
    low, above = last, found[-2]
    for _ in range(BISECTIONS):
        middle = solver.solve(
            problem, float(np.sqrt(low.penalty * above.penalty)), start=above, tolerance=tolerance
        )
        report(middle)
        if len(middle.active) >= k:
            low = middle
        else:
            above = middle
        if len(low.active) - k <= max(k // 200, 0):
            break
    return low


def _entrance(found: list[solver.Solution], p: int) -> np.ndarray:
    """The largest penalty at which each gene is in the model; NaN for those that never are."""
    entered = np.full(p, np.nan)
    for solution in sorted(found, key=lambda s: s.penalty):
        entered[solution.active] = solution.penalty
    return entered


def path_table(problem: solver.Problem, found: list[solver.Solution]) -> pd.DataFrame:
    """One row a penalty, largest first: genes kept, error (share of the targets' variance)."""
    rows = [
        {
            "penalty": s.penalty,
            "n_genes": len(s.active),
            "error": 2 * s.loss / problem.target,
            "kkt": s.kkt,
            "sweeps": s.sweeps,
        }
        for s in found
    ]
    return pd.DataFrame(rows).sort_values("penalty", ascending=False, ignore_index=True)
