"""Residual correction trained on mutual nearest neighbours.

After deepMNN (Zou 2021, doi 10.3389/fgene.2021.708981) and the report "Batch corrected scETM
model in RNA-seq task": a residual network in a latent space, trained on mutual nearest
neighbours with ``L = α · L_batch + β · L_rec``. What they leave open is decided in
``core.models.integrators.pairs``; docs/integration-corrector.md says why.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
import torch
from pydantic import Field

from core.errors import DataError, RunError
from core.models.integrators.base import (
    INTEGRATORS,
    Batches,
    Integrated,
    Integrator,
    IntegratorParams,
    log_expression,
    read_batches,
)
from core.models.integrators.gene_shift import gene_shift
from core.models.integrators.latent import LatentSpace, fit_space
from core.models.integrators.mnn import MutualNeighbors, mutual_nearest_neighbors
from core.models.integrators.pairs import (
    LEAST_WEIGHT,
    coarse_to_fine,
    local_scale,
    micro_clusters,
    pair_weights,
    soft_targets,
)
from core.models.integrators.residual import ResidualCorrector, Round, apply, train_round
from core.progress import OnProgress, silent

if TYPE_CHECKING:
    from anndata import AnnData


class CorrectorParams(IntegratorParams):
    """Latent space, pairs, network, loss."""

    latent: Literal["pca", "autoencoder"] = Field(
        "pca", title="Latent space", description="Principal components, or a trained autoencoder."
    )
    cell_power: float = Field(
        0.75,
        ge=0,
        le=1,
        title="Even cells",
        description="0: profiles keep their length, 1: all have one length (cosine).",
    )
    gene_power: float = Field(
        0.3,
        ge=0,
        le=1,
        title="Even genes",
        description="0: genes keep their spread, 1: all have one standard deviation.",
    )
    k: int = Field(
        20, ge=1, le=500, title="Neighbours", description="Of the mutual nearest neighbours."
    )
    order: str | None = Field(
        None,
        max_length=2000,
        title="Order of the batches",
        description="As 'first > second > third': pairs join the second with the first, the third "
        "with the two before it; empty: between every two batches.",
    )
    rounds: int = Field(
        4, ge=1, le=50, title="Rounds", description="Pairs are searched anew after each."
    )
    epochs: int = Field(
        30, ge=1, le=10_000, title="Epochs a round", description="Passes over the cells."
    )
    alpha: float = Field(1.0, ge=0, title="α", description="Weight of the batch loss.")
    beta: float = Field(0.01, ge=0, title="β", description="Weight of the reconstruction loss.")
    width: int = Field(128, ge=4, le=4096, title="Width", description="Of the hidden layers.")
    blocks: int = Field(2, ge=0, le=16, title="Residual blocks", description="Of the network.")
    learning_rate: float = Field(
        2e-3, gt=0, le=1, title="Learning rate", description="Falls to 0 in each round."
    )
    min_share: float = Field(
        0.1,
        ge=0,
        le=1,
        title="Least share of pairs",
        description="Micro-clusters must send each other at least this share of their pairs.",
    )
    min_similarity: float = Field(
        0.75,
        ge=-1,
        le=1,
        title="Least similarity",
        description="Cosine of micro-clusters' mean profiles below which pairs are not believed.",
    )
    distance: float = Field(
        1.0, ge=0, le=100, title="Distance", description="How fast a pair's weight falls with it."
    )
    neighbors: int = Field(
        100, ge=1, le=5000, title="Smoothing cells", description="Matched cells a target averages."
    )
    sharpness: float = Field(
        5.0, ge=0, le=1000, title="Sharpness", description="Of the smoothing kernel."
    )
    first_sharpness: float = Field(
        0.2,
        ge=0.001,
        le=1000,
        title="First sharpness",
        description="Of the first round; over half of the rounds it comes to the sharpness above.",
    )
    follow: float = Field(
        0.1,
        ge=0,
        le=1,
        title="Follow",
        description="Weight with which unmatched cells go along with the nearest matched ones.",
    )


@dataclass
class _Fitted:
    space: LatentSpace
    network: ResidualCorrector
    batches: tuple[str, ...]
    genes: list[str]


@INTEGRATORS.register(
    "corrector",
    label="Residual corrector",
    help="A residual network trained on mutual nearest neighbours (after deepMNN, Zou 2021), with "
    "cell types of one batch left where they are.",
    makes="expression",
)
class Corrector(Integrator):
    """Corrected expression for training and new cells."""

    Params = CorrectorParams

    def __init__(self, params: Any = None, *, device: str = "cpu") -> None:
        super().__init__(params, device=device)
        self._fitted: _Fitted | None = None

    def fit_transform(
        self, cells: AnnData, batch_key: str, *, seed: int = 0, on_progress: OnProgress = silent
    ) -> Integrated:
        """Corrected latent coordinates and expression.

        ``extras``: ``mnn_pairs`` and ``mnn_weights`` (before correction), ``support`` float32
        ``(n,)``, ``losses``, ``gene_shift``, ``recall``, ``notes``, ``input_embedding`` (the
        latent coordinates before correction).
        """
        p = self.params
        batches = read_batches(cells, batch_key)
        values = log_expression(cells)
        total = p.rounds + 2
        on_progress(0, total, "Latent space")
        space, latent = fit_space(
            values,
            p.latent,
            p.n_pcs,
            scale=p.scale,
            cell_power=p.cell_power,
            gene_power=p.gene_power,
            device=self.device,
            seed=seed,
        )
        fit = _Rounds(p, values, latent, batches, self.device, seed)
        for number in range(p.rounds):
            on_progress(number + 1, total, f"Round {number + 1}: pairs and network")
            fit.round(number)
        on_progress(total - 1, total, "Corrected expression")
        genes = [str(name) for name in cells.var_names]
        self._fitted = _Fitted(space, fit.network, batches.names, genes)
        embedding = apply(fit.network, latent, batches.codes, self.device)
        corrected = space.moved(values, latent, embedding)
        on_progress(total, total, "Corrected expression")
        extras = fit.extras() | {
            "gene_shift": gene_shift(values, corrected, batches, cells.var_names),
            "input_embedding": latent,
        }
        return Integrated(embedding=embedding, corrected=corrected, extras=extras)

    def transform(self, cells: AnnData, batch_key: str) -> Integrated:
        """Correct new cells of known batches, with the genes of training in any order.

        Raises
        ------
        RunError
            Before :meth:`fit_transform`.
        DataError
            A gene of training or a cell's batch is not known.
        """
        if self._fitted is None:
            raise RunError("The corrector has not been trained: fit it before new cells.")
        fitted = self._fitted
        absent = [name for name in fitted.genes if name not in cells.var_names]
        if absent:
            raise DataError(
                f"The new cells lack {len(absent):,} of the {len(fitted.genes):,} genes of "
                f"training, '{absent[0]}' first."
            )
        batches = read_batches(cells, batch_key, at_least=1)
        unknown = [name for name in batches.names if name not in fitted.batches]
        if unknown:
            raise DataError(
                f"The batch '{unknown[0]}' was not in training, so its correction is not known; "
                f"known: {', '.join(fitted.batches)}."
            )
        codes = np.array([fitted.batches.index(name) for name in batches.names])[batches.codes]
        values = log_expression(cells[:, fitted.genes])
        latent = fitted.space.encode(values)
        embedding = apply(fitted.network, latent, codes, self.device)
        return Integrated(
            embedding=embedding, corrected=fitted.space.moved(values, latent, embedding)
        )


class _Rounds:
    """Alternates pairs, soft targets and training."""

    def __init__(
        self,
        params: CorrectorParams,
        values: np.ndarray,
        latent: np.ndarray,
        batches: Batches,
        device: str,
        seed: int,
    ) -> None:
        self.p, self.batches, self.device, self.seed = params, batches, device, seed
        self.latent, self.moved = latent, latent
        self.generator = np.random.default_rng(seed)
        self.clusters = micro_clusters(latent, values, batches, seed=seed)
        self.scale = local_scale(latent, batches, device=device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.network = ResidualCorrector(
                latent.shape[1],
                len(batches),
                width=params.width,
                n_blocks=params.blocks,
                scale=float(latent.std(axis=0).max()),
            ).to(device)
        self.losses: list[dict[str, float]] = []
        self.first: tuple[MutualNeighbors, np.ndarray] | None = None
        self.support = np.zeros(len(latent), np.float32)

    def round(self, number: int) -> None:
        """Search pairs where the cells are now, and train towards what they ask for."""
        p = self.p
        found = mutual_nearest_neighbors(
            self.moved,
            self.batches,
            k=p.k,
            order=[name.strip() for name in p.order.split(">")] if p.order else None,
            device=self.device,
            seed=self.seed,
        )
        weights = pair_weights(
            found,
            self.scale,
            self.clusters,
            min_share=p.min_share,
            min_similarity=p.min_similarity,
            distance=p.distance,
        )
        if self.first is None:
            self.first = (found, weights)
        kept = weights > LEAST_WEIGHT
        targets = soft_targets(
            self.latent,
            self.moved,
            found.pairs[kept],
            weights[kept],
            self.batches,
            self.scale,
            neighbors=p.neighbors,
            sharpness=coarse_to_fine(number, p.rounds, p.first_sharpness, p.sharpness),
            follow=p.follow,
            device=self.device,
        )
        self.support = targets.support
        data = Round(
            *(
                torch.as_tensor(array, device=self.device)
                for array in (
                    self.latent,
                    self.batches.codes,
                    self.latent + targets.displacement,
                    targets.support,
                )
            )
        )
        pair_distance = _mean(found.distances, weights)

        def note(epoch: int, batch_loss: float, rec_loss: float) -> None:
            self.losses.append(
                {
                    "round": number + 1,
                    "epoch": len(self.losses) + 1,
                    "loss": p.alpha * batch_loss + p.beta * rec_loss,
                    "batch_loss": batch_loss,
                    "rec_loss": rec_loss,
                    "pair_distance": pair_distance,
                    "n_pairs": float(kept.sum()),
                }
            )

        train_round(
            self.network,
            data,
            alpha=p.alpha,
            beta=p.beta,
            epochs=p.epochs,
            learning_rate=p.learning_rate,
            generator=self.generator,
            on_epoch=note,
        )
        self.moved = apply(self.network, self.latent, self.batches.codes, self.device)

    def extras(self) -> dict[str, Any]:
        """What there is to show."""
        if self.first is None:
            raise RunError("No round was trained.")
        found, weights = self.first
        kept = weights > LEAST_WEIGHT
        notes = [
            f"{kept.sum():,} of {len(kept):,} mutual nearest neighbours were believed; "
            f"{(self.support < 0.5).mean():.0%} of the cells have few matched cells around them."
        ]
        if not kept.any():
            notes.append(
                "No two batches share a kind of cell by their profiles: nothing was merged."
            )
        return {
            "mnn_pairs": found.pairs[kept],
            "mnn_weights": weights[kept].astype(np.float32),
            "support": self.support,
            "losses": pd.DataFrame(self.losses),
            "recall": found.recall,
            "notes": notes,
        }


def _mean(values: np.ndarray, weights: np.ndarray) -> float:
    total = float(weights.sum())
    return float((values * weights).sum() / total) if total > 0 else float("nan")
