from __future__ import annotations

from pathlib import Path

import anndata as ad
import numpy as np
import pytest
from scipy import sparse

from core.metrics.expression_scale import FoundScale, guess_scale


@pytest.mark.parametrize(
    ("scale", "log"),
    [("log1p", np.log1p), ("log2", lambda x: np.log2(1 + x)), ("linear", np.array)],
)
@pytest.mark.parametrize("normalised", [False, True])
def test_the_base_is_found(scale: str, log: object, normalised: bool) -> None:
    counts = np.random.default_rng(0).poisson(1.2, size=(300, 80)).astype(float)
    if normalised:
        counts *= 1e4 / counts.sum(axis=1, keepdims=True)
    values = log(counts).astype(np.float32)  # type: ignore[operator]
    assert guess_scale(sparse.csr_matrix(values)) == FoundScale(scale, True)  # type: ignore[arg-type]


def test_what_cannot_be_told_is_not_certain() -> None:
    rng = np.random.default_rng(0)
    assert guess_scale(rng.random((50, 20))) == FoundScale("log1p", False)
    assert guess_scale(rng.normal(size=(50, 20))) == FoundScale("linear", False)
    assert guess_scale(1000 * rng.random((50, 20))) == FoundScale("linear", False)
    assert not guess_scale(np.zeros((5, 3))).certain


def test_the_opening_example_is_in_log2(shared_data: Path) -> None:
    """Stated nowhere, but its values are whole multiples in base 2 only."""
    cells = ad.read_h5ad(shared_data / "bone_marrow_aml_healthy.h5ad")
    assert guess_scale(cells.X) == FoundScale("log2", True)
