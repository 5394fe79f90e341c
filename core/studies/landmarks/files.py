"""Names of the files of a landmark run."""

from __future__ import annotations

CONFIG, SCORES, DATA = "config.json", "scores.json", "data.json"
GENES, GENE_SCORES, TYPES = "genes.parquet", "gene_scores.parquet", "types.parquet"
CELLS, MEASURED, EPOCHS = "cells.parquet", "measured.parquet", "epochs.parquet"
PREDICTIONS, OBSERVED, WORK = "predictions", "observed", "work"
