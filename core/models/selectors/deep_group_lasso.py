"""The paper's network over all genes with a group lasso on its first layer.

Linear–dropout–ReLU blocks from all genes to all genes, the weighted loss
``(target + 1)(prediction − target)²``, and a penalty ``λ Σ_j ‖W_j‖₂`` on the first layer's weights
of each input gene. The paper adds the penalty to the loss, where gradients never make a weight
exactly zero; here each optimiser step is followed by the penalty's proximal step (Parikh & Boyd,
*Found. Trends Optim.* 1, 2014), so whole genes become exactly zero.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd
from pydantic import Field

from core.models.base import Params
from core.models.selectors.base import SELECTORS, GeneSelector, Selection, checked, completed
from core.progress import OnProgress, silent


class DeepGroupLassoParams(Params):
    """Network, training and path; the paper's ranking instead of the path as a mode."""

    mode: Literal["path", "paper ranking"] = Field(
        "path",
        title="Mode",
        description="path: penalties rise until few enough genes are left; paper ranking: one "
        "penalty, then half of the genes by largest and half by smallest weight (its F910).",
    )
    hidden: int = Field(256, ge=8, le=4096, title="Width", description="Units of a hidden layer.")
    blocks: int = Field(1, ge=1, le=4, title="Blocks", description="Hidden layers.")
    dropout: float = Field(0.1, ge=0, lt=0.9, title="Dropout", description="After each block.")
    loss: Literal["weighted", "mse"] = Field(
        "weighted",
        title="Loss",
        description="weighted: (target + 1)(prediction − target)², the paper's; mse: plain.",
    )
    learning_rate: float = Field(
        1e-3, gt=0, le=1, title="Learning rate", description="The paper's is 0.01."
    )
    batch_size: int = Field(128, ge=8, le=4096, title="Batch", description="Cells a step.")
    epochs: int = Field(
        30, ge=1, le=1000, title="Epochs", description="Most epochs at the first penalty."
    )
    patience: int = Field(
        5, ge=1, le=100, title="Patience", description="Epochs without a better validation loss."
    )
    path_epochs: int = Field(
        4, ge=1, le=100, title="Epochs a penalty", description="Of each further penalty, warm."
    )
    first_penalty: float = Field(
        0.5,
        gt=0,
        title="First penalty",
        description="Of the path; in units of the first layer's gradient (root mean square).",
    )
    step: float = Field(
        1.5, gt=1, le=10, title="Step", description="Ratio of neighbouring penalties."
    )
    most_penalties: int = Field(
        40, ge=1, le=500, title="Penalties", description="Most penalties of the path."
    )


@SELECTORS.register(
    "deep_group_lasso",
    label="Network with group lasso",
    help="The paper's network over all genes with the weighted loss; proximal steps make whole genes "
    "of the first layer exactly zero.",
)
class DeepGroupLasso(GeneSelector):
    """Proximal training along a path of rising penalties; see this module."""

    Params: ClassVar[type[Params]] = DeepGroupLassoParams
    random = True

    def select(
        self,
        X: np.ndarray,
        k: int,
        *,
        seed: int = 0,
        on_progress: OnProgress = silent,
        start: Any = None,
    ) -> Selection:
        """Genes by the first layer's weights at the last penalty that keeps ``k`` of them."""
        from core.models.selectors._proximal import train_path

        values = checked(X, k)
        result = train_path(
            values, k, self.params, seed=seed, device=self.device, on_progress=on_progress
        )
        path = pd.DataFrame(result.path)
        if self.params.mode == "paper ranking":
            order, why = paper_ranking(result.weights, k)
            note = f"{len(order):,} genes: the two halves overlap." if len(order) < k else ""
            return Selection(order, why, path, note)
        norms = np.linalg.norm(result.weights, axis=0)
        order = completed(np.argsort(-norms, kind="stable")[: int((norms > 0).sum())], norms, k)
        why = tuple(f"first-layer norm {norms[gene]:.3g}" for gene in order)
        return Selection(order, why, path)


def paper_ranking(weights: np.ndarray, k: int) -> tuple[np.ndarray, tuple[str, ...]]:
    """The paper's set: the ``k/2`` genes of largest maximal and of smallest minimal weight.

    Parameters
    ----------
    weights
        First layer, ``(hidden, n_genes)``.
    k
        Size before overlaps are merged: 1,000 gave the paper's 910 genes.

    Returns
    -------
    order, why
        At most ``k`` genes, alternating from both lists.
    """
    half = (k + 1) // 2
    largest, smallest = weights.max(axis=0), weights.min(axis=0)
    top, bottom = np.argsort(-largest, kind="stable"), np.argsort(smallest, kind="stable")
    reasons: dict[int, str] = {}
    for rank in range(half):
        for genes, words, value in (
            (top, "largest", largest),
            (bottom, "smallest", smallest),
        ):
            gene = int(genes[rank])
            text = f"{words} weight {value[gene]:.3g}, rank {rank + 1}"
            reasons[gene] = f"{reasons[gene]}; {text}" if gene in reasons else text
    order = list(reasons)[:k]
    return np.asarray(order, dtype=np.int64), tuple(reasons[gene] for gene in order)
