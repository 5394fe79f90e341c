"""A small problem with a known answer, made by hand."""

from __future__ import annotations

import numpy as np

from core.models.inputs import Inputs

N_CELL_TYPES, N_COMPOUNDS, N_GENES = 3, 12, 40


def problem(seed: int = 0, noise: float = 0.1) -> tuple[Inputs, np.ndarray]:
    """All pairs of 3 cell types and 12 compounds; the response is their sum, plus noise."""
    rng = np.random.default_rng(seed)
    cell = np.repeat(np.arange(N_CELL_TYPES), N_COMPOUNDS)
    compound = np.tile(np.arange(N_COMPOUNDS), N_CELL_TYPES)
    fingerprint = rng.normal(size=(N_COMPOUNDS, 6)).astype(np.float32)
    of_cell = rng.normal(size=(N_CELL_TYPES, N_GENES))
    of_compound = fingerprint @ rng.normal(size=(6, N_GENES))
    values = 2.0 + of_cell[cell] + of_compound[compound]
    values += noise * rng.normal(size=values.shape)
    views = {
        "onehot": np.eye(N_CELL_TYPES, dtype=np.float32)[cell],
        "constant": np.ones((len(cell), 1), dtype=np.float32),
        "morgan": fingerprint[compound],
    }
    branches = {"onehot": "cell", "constant": "cell", "morgan": "molecule"}
    inputs = Inputs(cell, compound, N_CELL_TYPES, N_COMPOUNDS, views, branches)
    return inputs, values.astype(np.float32)
