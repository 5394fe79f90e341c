"""All scores of one embedding of several batches, on one neighbour search.

The batch and the bio total are those of scib-metrics (Luecken et al. 2022, doi
10.1038/s41592-021-01336-8): the mean of BRAS, iLISI, kBET, graph connectivity and PCR comparison,
and the mean of isolated labels, k-means NMI and ARI, label silhouette and cLISI.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy import sparse

from core.errors import DataError
from core.metrics import lisi as lisi_metrics
from core.metrics.clustering import RESOLUTIONS, Sweep, ari, batch_ari_floor, nmi, sweep
from core.metrics.graph_connectivity import connectivity_by_label, graph_connectivity_by_label
from core.metrics.isolated_labels import batches_per_label, isolated_labels
from core.metrics.kbet import acceptance, kbet_by_label
from core.metrics.kmeans import kmeans
from core.metrics.neighbours import K_GRAPH, K_KBET, K_LISI, Neighbours, nearest
from core.metrics.pcr import pcr_comparison
from core.metrics.silhouette import batch_silhouettes, silhouette_samples

BATCH_SCORES = ("bras", "ilisi", "kbet", "graph_connectivity", "pcr_comparison")
BIO_SCORES = ("isolated_labels", "kmeans_nmi", "kmeans_ari", "silhouette_label", "clisi")
#: Shares of the batch and the bio total in the overall one.
BATCH_WEIGHT, BIO_WEIGHT = 0.4, 0.6
#: A score for people: what it is called, and what it says.
DESCRIPTIONS: Mapping[str, tuple[str, str]] = {
    "best_ari": ("Best ARI", "highest agreement of clusters and labels over the resolutions"),
    "mean_ari": ("Mean ARI 0.1–0.3", "mean over resolutions 0.1 to 0.3: no choice of the best"),
    "best_nmi": ("NMI there", "normalised mutual information at the best resolution"),
    "best_batch_ari": ("Batch ARI there", "agreement of clusters and batches; not below the floor"),
    "total_batch": ("Batch total", "mean of BRAS, iLISI, kBET, graph connectivity, PCR comparison"),
    "total_bio": ("Bio total", "mean of isolated labels, k-means NMI and ARI, silhouette, cLISI"),
    "total": ("Total", "0.4 batch + 0.6 bio"),
    "bras": ("BRAS", "batches mixed within cell types, by silhouettes"),
    "ilisi": ("iLISI", "batches in a neighbourhood, 0 one … 1 all"),
    "kbet": ("kBET", "neighbourhoods that keep the batch proportions of their cell type"),
    "graph_connectivity": ("Graph connectivity", "each cell type one piece of the graph"),
    "pcr_comparison": ("PCR comparison", "share of the batch's variance that was taken away"),
    "isolated_labels": ("Isolated labels", "silhouette of the cell types in fewest batches"),
    "kmeans_nmi": ("k-means NMI", "k-means with as many clusters as cell types"),
    "kmeans_ari": ("k-means ARI", "k-means with as many clusters as cell types"),
    "silhouette_label": ("Label silhouette", "cell types apart"),
    "silhouette_batch": ("Batch silhouette", "batches mixed within cell types, classic"),
    "clisi": ("cLISI", "one cell type in a neighbourhood, 0 all … 1 one"),
    "kbet_all": ("kBET, all cells", "neighbourhoods that keep the overall batch proportions"),
    "ilisi_shared": ("iLISI, shared types", "cells of types that are in two batches or more"),
    "kept_apart": ("One-batch types apart", "their neighbours of the same type, 15 nearest"),
}


@dataclass(frozen=True)
class IntegrationScores:
    """Scores of one embedding.

    Attributes
    ----------
    values
        By name; NaN where a score is not defined for these data.
    sweep
        Clusters and their table over the resolutions.
    floor
        Batch ARI of the true labels.
    cell_types
        A row a cell type: ``cell_type, n_cells, n_batches, one_batch`` and its own scores.
    batches
        A row a batch: ``batch, n_cells`` and its own scores.
    """

    values: dict[str, float]
    sweep: Sweep
    floor: float
    cell_types: pd.DataFrame
    batches: pd.DataFrame
    notes: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class Groups:
    """Batches and (optionally) cell types of ``n`` cells as codes with names."""

    batches: np.ndarray
    batch_names: tuple[str, ...]
    labels: np.ndarray | None = None
    label_names: tuple[str, ...] = ()

    @classmethod
    def of(cls, batches: Sequence[object], labels: Sequence[object] | None = None) -> Groups:
        """From columns of ``obs``; a missing label gets the code -1.

        Raises
        ------
        DataError
            Where a batch is missing.
        """
        batch_codes, batch_names = _codes(batches)
        if (batch_codes < 0).any():
            raise DataError(f"{int((batch_codes < 0).sum()):,} cells have no batch.")
        if labels is None:
            return cls(batch_codes, batch_names)
        codes, names = _codes(labels)
        return cls(batch_codes, batch_names, codes if len(names) else None, names)

    def part(self, rows: np.ndarray) -> Groups:
        """The same for some of the cells, codes without gaps."""
        batch_codes, batch_names = _drop_gaps(self.batches[rows], self.batch_names)
        if self.labels is None:
            return Groups(batch_codes, batch_names)
        codes, names = _drop_gaps(self.labels[rows], self.label_names)
        return Groups(batch_codes, batch_names, codes if len(names) else None, names)


def _codes(values: Sequence[object]) -> tuple[np.ndarray, tuple[str, ...]]:
    column = pd.Series(list(values), dtype=object)
    missing = column.isna().to_numpy()
    codes = np.full(len(column), -1, np.int64)
    names, codes[~missing] = np.unique(
        column[~missing].astype(str).to_numpy(dtype=str), return_inverse=True
    )
    return codes, tuple(map(str, names))


def _drop_gaps(codes: np.ndarray, names: tuple[str, ...]) -> tuple[np.ndarray, tuple[str, ...]]:
    found = np.unique(codes[codes >= 0])
    fresh = np.full(len(names) + 1, -1, np.int64)
    fresh[found] = np.arange(len(found))
    return fresh[codes], tuple(names[code] for code in found)


def score_embedding(
    embedding: np.ndarray,
    groups: Groups,
    *,
    before: np.ndarray | None = None,
    resolutions: Sequence[float] = RESOLUTIONS,
    seed: int = 0,
    neighbours: Neighbours | None = None,
) -> IntegrationScores:
    """Score an embedding ``(n, d)``.

    Parameters
    ----------
    before
        Embedding without integration, for the PCR comparison; NaN without it.
    neighbours
        At least 90 of each cell, where they are known already.

    Raises
    ------
    DataError
        Where the embedding and the cells do not match.
    """
    if len(embedding) != len(groups.batches):
        raise DataError(
            f"The embedding has {len(embedding):,} rows for {len(groups.batches):,} cells."
        )
    neighbours = neighbours or nearest(embedding, K_LISI)
    swept = sweep(
        neighbours.first(K_GRAPH).connectivities,
        labels=groups.labels,
        batches=groups.batches,
        resolutions=resolutions,
        seed=seed,
    )
    values = dict.fromkeys([*BATCH_SCORES, *BIO_SCORES], float("nan")) | swept.summary()
    probability = lisi_metrics.neighbour_probabilities(neighbours)
    mixing = lisi_metrics.lisi(neighbours, groups.batches, probability)
    n_batches = len(groups.batch_names)
    values["ilisi"] = lisi_metrics.ilisi(mixing, n_batches)
    if n_batches > 1:
        kept = acceptance(neighbours.first(K_KBET).indices, groups.batches)
        values["kbet_all"] = float(kept.mean())
    if before is not None and n_batches > 1:
        values["pcr_comparison"] = pcr_comparison(before, embedding, groups.batches)
    batches = _batch_frame(groups, mixing, n_batches)
    known = groups.labels is not None and len(groups.label_names) > 1
    cell_types = pd.DataFrame()
    if known and groups.labels is not None:
        rows = np.flatnonzero(groups.labels >= 0)
        if len(rows) == len(embedding):
            label_values, cell_types, more = _labelled(
                embedding, groups, neighbours, mixing, probability
            )
        else:  # scores that need labels are those of the labelled cells among themselves
            part, points = groups.part(rows), np.asarray(embedding)[rows]
            near = nearest(points, K_LISI)
            chances = lisi_metrics.neighbour_probabilities(near)
            label_values, cell_types, more = _labelled(
                points, part, near, lisi_metrics.lisi(near, part.batches, chances), chances
            )
            more = pd.DataFrame({"batch": part.batch_names}).join(more)
            more = more.set_index("batch").reindex(batches["batch"]).reset_index(drop=True)
        values |= label_values
        batches = batches.join(more)
        _totals(values)
    return IntegrationScores(
        values, swept, batch_ari_floor(groups.labels, groups.batches), cell_types, batches
    )


def _labelled(
    points: np.ndarray,
    groups: Groups,
    neighbours: Neighbours,
    mixing: np.ndarray,
    probability: np.ndarray,
) -> tuple[dict[str, float], pd.DataFrame, pd.DataFrame]:
    """Scores that need labels; a row a cell type; columns a batch."""
    labels, batches = groups.labels, groups.batches
    assert labels is not None
    n_labels = len(groups.label_names)
    purity = lisi_metrics.lisi(neighbours, labels, probability)
    widths = silhouette_samples(points, labels)
    spread = batches_per_label(labels, batches)
    connected = connectivity_by_label(neighbours.first(K_GRAPH), labels)
    fifteen = neighbours.first(K_GRAPH).indices[:, 1:]
    same = (labels[fifteen] == labels[:, None]).mean(axis=1)
    one_batch = spread[labels] == 1
    found = kmeans(points, n_labels)
    values = {
        "clisi": lisi_metrics.clisi(purity, n_labels),
        "silhouette_label": float((widths.mean() + 1) / 2),
        "isolated_labels": isolated_labels(widths, labels, batches),
        "graph_connectivity": float(connected.mean()),
        "kmeans_ari": ari(labels, found),
        "kmeans_nmi": nmi(labels, found),
    }
    per_label = {
        "silhouette": _means((widths + 1) / 2, labels, n_labels),
        "clisi": _medians(purity, labels, n_labels, lambda m: (n_labels - m) / (n_labels - 1)),
        "same_type_neighbours": _means(same, labels, n_labels),
        "graph_connectivity": connected,
    }
    n_batches = len(groups.batch_names)
    if n_batches > 1:
        bras = batch_silhouettes(points, labels, batches)
        classic = batch_silhouettes(points, labels, batches, bras=False)
        rates = kbet_by_label(neighbours.first(K_KBET).connectivities, labels, batches)
        ilisi = _medians(mixing, labels, n_labels, lambda m: (m - 1) / (n_batches - 1))
        ilisi[spread == 1] = np.nan
        per_label |= {"bras": bras, "silhouette_batch": classic, "kbet": rates, "ilisi": ilisi}
        values |= {
            "bras": _mean(bras),
            "silhouette_batch": _mean(classic),
            "kbet": _mean(rates),
            "ilisi_shared": lisi_metrics.ilisi(mixing[~one_batch], n_batches)
            if not one_batch.all()
            else float("nan"),
            "kept_apart": float(same[one_batch].mean()) if one_batch.any() else float("nan"),
        }
    cell_types = pd.DataFrame(
        {
            "cell_type": groups.label_names,
            "n_cells": np.bincount(labels, minlength=n_labels),
            "n_batches": spread,
            "one_batch": spread == 1,
            **per_label,
        }
    )
    by_batch = pd.DataFrame(
        {
            "clisi": _medians(
                purity, batches, n_batches, lambda m: (n_labels - m) / (n_labels - 1)
            ),
            "silhouette": _means((widths + 1) / 2, batches, n_batches),
            "same_type_neighbours": _means(same, batches, n_batches),
        }
    )
    return values, cell_types, by_batch


def _totals(values: dict[str, float]) -> None:
    """Means of the scores that are defined, as scib-metrics takes them."""
    values["total_batch"] = _mean(np.array([values[name] for name in BATCH_SCORES]))
    values["total_bio"] = _mean(np.array([values[name] for name in BIO_SCORES]))
    values["total"] = BATCH_WEIGHT * values["total_batch"] + BIO_WEIGHT * values["total_bio"]


def _batch_frame(groups: Groups, mixing: np.ndarray, n_batches: int) -> pd.DataFrame:
    medians = _medians(mixing, groups.batches, n_batches, lambda m: (m - 1) / max(n_batches - 1, 1))
    return pd.DataFrame(
        {
            "batch": groups.batch_names,
            "n_cells": np.bincount(groups.batches, minlength=n_batches),
            "ilisi": medians if n_batches > 1 else np.full(n_batches, np.nan),
        }
    )


def score_graph(
    connectivities: sparse.csr_matrix,
    distances: sparse.csr_matrix | None,
    groups: Groups,
    *,
    resolutions: Sequence[float] = RESOLUTIONS,
    seed: int = 0,
) -> IntegrationScores:
    """Score a method that makes a neighbour graph and no embedding (BBKNN).

    Only clusters and graph connectivity are defined; scores of an embedding stay NaN, and so do
    the totals.
    """
    swept = sweep(
        connectivities,
        labels=groups.labels,
        batches=groups.batches,
        resolutions=resolutions,
        seed=seed,
    )
    undefined = [*BATCH_SCORES, *BIO_SCORES, "total_batch", "total_bio", "total"]
    values = dict.fromkeys(undefined, float("nan")) | swept.summary()
    sizes = np.bincount(groups.batches, minlength=len(groups.batch_names))
    batches = pd.DataFrame({"batch": groups.batch_names, "n_cells": sizes})
    cell_types = pd.DataFrame()
    if groups.labels is not None:
        rows = np.flatnonzero(groups.labels >= 0)
        part = groups.part(rows)
        labels = part.labels
        assert labels is not None
        graph = (distances if distances is not None else connectivities).tocsr()
        connected = graph_connectivity_by_label(graph[rows][:, rows], labels)
        spread = batches_per_label(labels, part.batches)
        values["graph_connectivity"] = float(connected.mean())
        cell_types = pd.DataFrame(
            {
                "cell_type": part.label_names,
                "n_cells": np.bincount(labels),
                "n_batches": spread,
                "one_batch": spread == 1,
                "graph_connectivity": connected,
            }
        )
    note = "The method makes a neighbour graph and no embedding: scores of an embedding and the totals are not defined."
    return IntegrationScores(
        values,
        swept,
        batch_ari_floor(groups.labels, groups.batches),
        cell_types,
        batches,
        (note,),
    )


def _mean(values: np.ndarray) -> float:
    values = np.asarray(values, dtype=np.float64)
    values = values[~np.isnan(values)]
    return float(values.mean()) if len(values) else float("nan")


def _means(values: np.ndarray, codes: np.ndarray, n_groups: int) -> np.ndarray:
    sizes = np.bincount(codes, minlength=n_groups)
    return np.bincount(codes, weights=values, minlength=n_groups) / np.maximum(sizes, 1)


def _medians(values, codes, n_groups, scale):
    return np.array(
        [
            scale(np.median(values[codes == g])) if (codes == g).any() else np.nan
            for g in range(n_groups)
        ]
    )
