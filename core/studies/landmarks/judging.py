"""Fair judging of gene sets: the same test cells and the same held-out genes for every set.

A split holds out cells (20 % of each cell type) and genes that no selector may see. A set is then
given to one and the same model, ridge regression from the set to all other genes, fitted on the
training cells, and scored on the test cells:

* ``held_mse``: mean squared error over the held-out genes;
* ``panel_left``: variance left over **all** genes as a share of their variance, the chosen ones
  counted as known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.linalg import eigh
from scipy.stats import t as student

from core.errors import DataError

#: Ridge penalties that are tried, as multiples of the number of training cells.
PENALTIES = tuple(float(x) for x in 10.0 ** np.arange(-2.0, 1.51, 0.25))
HELD_SHARE = 0.2


@dataclass(frozen=True)
class Scores:
    """What one set is worth on one split.

    Attributes
    ----------
    n_genes
        Size of the set.
    held_mse
        Mean squared error over held-out genes and test cells; NaN where no gene is held out.
    held_mean_mse
        The same of predicting each gene's training mean: the bar of knowing nothing.
    panel_left
        Share of the variance of all genes that is left, 0 to 1.
    penalty
        Ridge penalty, in multiples of the training cells, of least generalised cross-validation.
    by_type
        ``held_mse`` of each cell type's test cells.
    gene_mse
        Mean squared error of each gene, float32 ``(n_genes_of_data,)``; 0 for the chosen.
    """

    n_genes: int
    held_mse: float
    held_mean_mse: float
    panel_left: float
    penalty: float
    by_type: dict[str, float] = field(default_factory=dict)
    gene_mse: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.float32))


def hold_out_genes(n_genes: int, seed: int, share: float = HELD_SHARE) -> np.ndarray:
    """Genes that no selector may see, ascending int64; drawn with ``seed``."""
    n_held = round(share * n_genes)
    drawn = np.random.default_rng([seed, 5]).choice(n_genes, n_held, replace=False)
    return np.sort(drawn).astype(np.int64)


class Judge:
    """One split, ready to score any number of sets.

    Parameters
    ----------
    X
        Log-normalised expression, ``(n_cells, n_genes)``.
    train, test
        Rows.
    held
        Columns that no selector saw; may be empty.
    cell_types
        Of all cells, ``(n_cells,)``; None: no scores by type.
    """

    def __init__(
        self,
        X: np.ndarray,
        train: np.ndarray,
        test: np.ndarray,
        held: np.ndarray,
        cell_types: np.ndarray | None = None,
    ) -> None:
        fit, seen = np.asarray(X[train], np.float32), np.asarray(X[test], np.float32)
        self.mean = fit.mean(axis=0, dtype=np.float64).astype(np.float32)
        self.fit, self.seen = fit - self.mean, seen - self.mean
        self.held = np.asarray(held, dtype=np.int64)
        self.is_held = np.zeros(X.shape[1], dtype=bool)
        self.is_held[self.held] = True
        self.types = None if cell_types is None else np.asarray(cell_types)[test].astype(str)
        # Left over by the training mean itself: the test cells' own mean would be a look at them.
        self.total = float(np.einsum("ij,ij->", self.seen, self.seen, dtype=np.float64))

    @property
    def allowed(self) -> np.ndarray:
        """Columns that may be chosen, ascending."""
        return np.flatnonzero(~self.is_held)

    def score(self, chosen: Sequence[int] | np.ndarray) -> Scores:
        """Judge a set of columns.

        Raises
        ------
        DataError
            Where the set is empty, or holds a held-out gene.
        """
        columns = np.unique(np.asarray(chosen, dtype=np.int64))
        if not len(columns):
            raise DataError("A set without a single gene cannot be judged.")
        if self.is_held[columns].any():
            raise DataError("The set holds a gene that was held out to judge it.")
        rest = np.setdiff1d(np.arange(len(self.mean)), columns)
        predicted, penalty = ridge(self.fit[:, columns], self.fit[:, rest], self.seen[:, columns])
        squared = (predicted - self.seen[:, rest]) ** 2
        gene_mse = np.zeros(len(self.mean), dtype=np.float32)
        gene_mse[rest] = squared.mean(axis=0)
        among = self.is_held[rest]
        left = float(gene_mse.sum(dtype=np.float64)) * len(self.seen) / max(self.total, 1e-30)
        if not among.any():
            nan = float("nan")
            return Scores(len(columns), nan, nan, left, penalty, {}, gene_mse)
        by_type: dict[str, float] = {}
        if self.types is not None:
            by_cell = squared[:, among].mean(axis=1)
            groups = pd.Series(by_cell).groupby(self.types).mean()
            by_type = {str(name): float(value) for name, value in groups.items()}
        return Scores(
            len(columns),
            float(squared[:, among].mean(dtype=np.float64)),
            float((self.seen[:, self.held] ** 2).mean(dtype=np.float64)),
            left,
            penalty,
            by_type,
            gene_mse,
        )


def ridge(A: np.ndarray, Y: np.ndarray, B: np.ndarray) -> tuple[np.ndarray, float]:
    """Ridge regression of centred ``Y`` ``(n, q)`` on centred ``A`` ``(n, k)``, applied to ``B``.

    One penalty for all targets, of least generalised cross-validation error (Golub, Heath & Wahba,
    *Technometrics* 21, 1979) on the training cells.

    Returns
    -------
    predicted, penalty
        float32 ``(m, q)``; the penalty in multiples of ``n``.
    """
    n, k = A.shape
    primal = k <= n
    gram = (A.T @ A if primal else A @ A.T).astype(np.float64)
    values, vectors = eigh(gram, driver="evd")
    values = np.maximum(values, 0.0)
    basis = vectors.astype(np.float32)
    inner = basis.T @ (A.T @ Y if primal else Y)
    size = np.einsum("ij,ij->i", inner, inner, dtype=np.float64)
    total = float(np.einsum("ij,ij->", Y, Y, dtype=np.float64))
    best, chosen = np.inf, PENALTIES[-1]
    for penalty in PENALTIES:
        d = 1.0 / (values + penalty * n)
        freedom = float((values * d).sum()) + 1.0
        if primal:
            rss = total - 2 * float((d * size).sum()) + float((values * d**2 * size).sum())
        else:  # the residual in the basis of the cells is (1 − shrinkage) of each coordinate
            rss = total - float(size.sum()) + float(((1 - values * d) ** 2 * size).sum())
        error = rss / (n - freedom) ** 2 if freedom < n else np.inf
        if error < best:
            best, chosen = error, penalty
    d = (1.0 / (values + chosen * n)).astype(np.float32)
    coefficients = basis @ (d[:, None] * inner)
    if primal:
        return B @ coefficients, chosen
    return (B @ A.T) @ coefficients, chosen


def interval(values: Sequence[float] | np.ndarray) -> tuple[float, float, float]:
    """Mean and 95 % t interval over splits; NaN bounds for a single one."""
    x = np.asarray(values, dtype=np.float64)
    mean = float(x.mean())
    if len(x) < 2:
        return mean, float("nan"), float("nan")
    half = float(student.ppf(0.975, len(x) - 1) * x.std(ddof=1) / np.sqrt(len(x)))
    return mean, mean - half, mean + half


def summarise(scores: pd.DataFrame, reference: str | None = None) -> pd.DataFrame:
    """Mean and 95 % interval over splits of each set.

    Parameters
    ----------
    scores
        One row a set and split: ``set``, ``split``, ``n_genes``, ``held_mse``, ``panel_left``.
    reference
        Set that the others are compared with, split by split.

    Returns
    -------
    DataFrame
        One row a set, least held-out error first: ``set``, ``n_genes`` (mean), and of ``held_mse``
        and ``panel_left`` the columns ``x``, ``x_low``, ``x_high``, and against the reference
        ``x_gain``, ``x_gain_low``, ``x_gain_high`` (reference minus set: positive is better).
    """
    rows = []
    for name, group in scores.groupby("set", sort=False):
        row: dict[str, object] = {"set": name, "n_genes": float(group["n_genes"].mean())}
        row["n_splits"] = len(group)
        for column in ("held_mse", "panel_left"):
            mean, low, high = interval(group[column].to_numpy())
            row |= {column: mean, f"{column}_low": low, f"{column}_high": high}
            if reference is not None and (scores["set"] == reference).any():
                base = scores[scores["set"] == reference].set_index("split")[column]
                own = group.set_index("split")[column]
                difference = (base.reindex(own.index) - own).to_numpy()
                gain, gain_low, gain_high = interval(difference)
                row |= {
                    f"{column}_gain": gain,
                    f"{column}_gain_low": gain_low,
                    f"{column}_gain_high": gain_high,
                }
        rows.append(row)
    return pd.DataFrame(rows).sort_values("held_mse", ignore_index=True)
