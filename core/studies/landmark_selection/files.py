"""Where a selection keeps what, inside its run's folder."""

from __future__ import annotations

SUMMARY, WORK = "selection.json", "work"
SCORES, BY_TYPE, WHOLE = "scores.parquet", "by_type.parquet", "whole.parquet"
SETS, PATHS, GENES = "sets.parquet", "paths.parquet", "genes.parquet"
STABILITY, TRANSFER = "stability.parquet", "transfer.parquet"
STABILITY_COLUMNS = [
    "set",
    "n_selections",
    "jaccard",
    "nogueira",
    "nogueira_low",
    "nogueira_high",
    "expected_jaccard",
]
TRANSFER_COLUMNS = [
    "set",
    "learned_on",
    "judged_on",
    "n_genes",
    "held_mse",
    "held_mean_mse",
    "panel_left",
    "n_shared",
]
