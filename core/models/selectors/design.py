"""Optimal design: genes that pin down what all genes share, and that are costly to leave out.

Genes follow a factor model, ``x = W z + e`` with noise variances ``ψ``. After measuring a set
``S`` the factors have the posterior covariance ``C = (I + Σ_S w wᵀ/ψ)⁻¹``, and two things are left
unknown:

* ``tr(WᵀW C)``: of genes like those that could have been chosen, the shared part — what decides
  how well *unseen* genes are predicted (A-optimal design, Chaloner & Verdinelli, *Stat. Sci.* 10,
  1995);
* ``Σ_{j∉S} (ψ_j + w_jᵀ C w_j)``: all variance of the genes that were not chosen — the panel score.

The set minimises ``(1−β)`` times the first plus ``β`` times the second, each as a share of its
value without any gene: greedily, then by exchanges (Fedorov 1972) until no swap helps.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from pydantic import Field

from core.models.base import Params
from core.models.principal import principal_components
from core.models.selectors.base import SELECTORS, GeneSelector, Selection, centred, checked
from core.progress import OnProgress, silent

#: Least share of a gene's variance that counts as noise.
LEAST_NOISE = 0.02


class DesignParams(Params):
    """Size of the factor model and what the set is good for."""

    n_factors: int = Field(
        30, ge=1, le=1000, title="Factors", description="Principal components taken as signal."
    )
    balance: float = Field(
        0.5,
        ge=0,
        le=1,
        title="Balance",
        description="0: only predict unseen genes; 1: only leave little variance unmeasured.",
    )
    exchanges: int = Field(
        500, ge=0, le=20_000, title="Exchanges", description="Most swaps after the greedy build."
    )


@dataclass
class Design:
    """A set of genes under a factor model, with the gain of each further gene kept up to date.

    Attributes
    ----------
    loadings
        ``W``, float64 ``(p, r)``.
    noise
        ``ψ``, float64 ``(p,)``, positive.
    balance
        ``β``.
    """

    loadings: np.ndarray
    noise: np.ndarray
    balance: float
    chosen: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        p, r = self.loadings.shape
        self.chosen = np.zeros(p, dtype=bool)
        self._moment = self.loadings.T @ self.loadings
        self._posterior = np.eye(r)
        # q = w'Cw and h = w'C M Cw of every gene
        self._q = np.einsum("ij,ij->i", self.loadings, self.loadings)
        self._h = np.einsum("ij,ij->i", self.loadings @ self._moment, self.loadings)
        self._shared = max(float(np.trace(self._moment)), 1e-30)
        self._all = max(float((self.noise + self._q).sum()), 1e-30)

    @property
    def shared_left(self) -> float:
        """Share of the shared variance that the set leaves unknown."""
        return float(np.trace(self._moment @ self._posterior)) / self._shared

    @property
    def panel_left(self) -> float:
        """Share of all variance left, the chosen counted as known."""
        return float((self.noise + self._q)[~self.chosen].sum()) / self._all

    @property
    def objective(self) -> float:
        """What is minimised."""
        return (1 - self.balance) * self.shared_left + self.balance * self.panel_left

    def gains(self) -> np.ndarray:
        """Fall of the objective by adding each gene; −∞ for the chosen."""
        shared = self._h / (self.noise + self._q)
        gain = (1 - self.balance) * shared / self._shared
        gain += self.balance * (self.noise + self._q) / self._all
        return np.where(self.chosen, -np.inf, gain)

    def losses(self) -> np.ndarray:
        """Rise of the objective by removing each chosen gene; ∞ for the others."""
        room = np.maximum(self.noise - self._q, 1e-12)  # w'Cw < ψ for a gene that is in C
        loss = (1 - self.balance) * self._h / room / self._shared
        loss += self.balance * (self.noise + self.noise * self._q / room) / self._all
        return np.where(self.chosen, loss, np.inf)

    def add(self, gene: int) -> None:
        """Measure ``gene``."""
        self._update(gene, self.noise[gene] + self._q[gene])
        self.chosen[gene] = True

    def drop(self, gene: int) -> None:
        """Measure ``gene`` no longer."""
        self._update(gene, -max(self.noise[gene] - self._q[gene], 1e-12))
        self.chosen[gene] = False

    def _update(self, gene: int, d: float) -> None:
        """Sherman–Morrison: ``C ← C − c cᵀ/d`` with ``c = C w``."""
        c = self._posterior @ self.loadings[gene]
        mc = self._moment @ c
        along = self.loadings @ c
        across = self.loadings @ (self._posterior @ mc)
        curvature = float(c @ mc)
        self._h += along * (along * (curvature / d**2) - 2 * across / d)
        self._q -= along**2 / d
        self._posterior -= np.outer(c, c / d)
        np.maximum(self._h, 0.0, out=self._h)
        np.maximum(self._q, 0.0, out=self._q)


def factor_model(X: np.ndarray, r: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Loadings ``(p, r)`` and noise variances ``(p,)`` of centred ``X``, both float64.

    Probabilistic PCA (Tipping & Bishop, *J. R. Stat. Soc. B* 61, 1999) with a noise of its own for
    each gene: components shrunk by the mean variance of those left out.
    """
    parts = principal_components(X, r, seed=seed)
    signal = np.maximum(parts.variances - parts.noise, 1e-12)
    loadings = parts.loadings.astype(np.float64) * np.sqrt(signal)
    variance = np.einsum("ij,ij->j", X, X, dtype=np.float64) / len(X)
    noise = variance - np.einsum("ij,ij->i", loadings, loadings)
    return loadings, np.maximum(noise, np.maximum(LEAST_NOISE * variance, 1e-9))


@SELECTORS.register(
    "design",
    label="Optimal design",
    help="Genes that leave least unknown of unseen genes and of the panel, under a factor model: "
    "greedy, then exchanges.",
)
class OptimalDesign(GeneSelector):
    """Greedy and exchange minimisation of the blended objective; see this module."""

    Params: ClassVar[type[Params]] = DesignParams

    def select(
        self,
        X: np.ndarray,
        k: int,
        *,
        seed: int = 0,
        on_progress: OnProgress = silent,
        start: Any = None,
    ) -> Selection:
        """The ``k`` genes of least objective that greedy steps and swaps find."""
        values = centred(checked(X, k))
        loadings, noise = factor_model(values, self.params.n_factors, seed=seed)
        design = Design(loadings, noise, self.params.balance)
        order, path = build(design, k, on_progress)
        swapped = exchange(design, self.params.exchanges, on_progress)
        kept = [gene for gene in order if design.chosen[gene]]
        came = [gene for gene in swapped if design.chosen[gene] and gene not in set(kept)]
        step = {gene: i + 1 for i, gene in enumerate(order)}
        why = [f"step {step[gene]} of the greedy build" for gene in kept]
        why += ["came in by an exchange"] * len(came)
        path.append({"n_genes": k, "error": design.panel_left, "objective": design.objective})
        return Selection(np.asarray([*kept, *came], dtype=np.int64), tuple(why), pd.DataFrame(path))


def build(
    design: Design, k: int, on_progress: OnProgress = silent
) -> tuple[list[int], list[dict[str, float]]]:
    """Add the gene of largest gain until ``k`` are chosen; their order, and the path."""
    order: list[int] = []
    path: list[dict[str, float]] = []
    while int(design.chosen.sum()) < k:
        best = int(design.gains().argmax())
        design.add(best)
        order.append(best)
        if len(order) % 20 == 0 or len(order) == k:
            path.append(
                {
                    "n_genes": len(order),
                    "error": design.panel_left,
                    "objective": design.objective,
                }
            )
            on_progress(len(order), k, f"{len(order):,} genes")
    return order, path


def exchange(design: Design, most: int, on_progress: OnProgress = silent) -> list[int]:
    """Swap the least useful chosen gene for the most useful other one while that helps.

    Returns
    -------
    list of int
        Genes that came in, in order; one may have left again.
    """
    came: list[int] = []
    for i in range(most):
        before = design.objective
        out = int(design.losses().argmin())
        design.drop(out)
        best = int(design.gains().argmax())
        design.add(best)
        if best == out or design.objective >= before - 1e-12:
            if best != out:
                design.drop(best)
                design.add(out)
            break
        came.append(best)
        if i % 50 == 0:
            on_progress(i, most, f"{i:,} exchanges")
    return came
