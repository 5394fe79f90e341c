from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from anndata import AnnData
from scipy import sparse

from core.data import expression
from core.data.expression import Expression, open_expression
from core.errors import DataError


@pytest.fixture
def cells() -> AnnData:
    rng = np.random.default_rng(1)
    counts = rng.poisson(0.4, (57, 12)).astype(np.float32)
    counts[3] = 0  # an empty cell
    counts[:, 5] = 0  # a gene that nobody expresses
    obs = pd.DataFrame(index=[f"c{i}" for i in range(57)])
    names = ["CD69", "MT-CO1", "MT-ND1", *(f"G{i}" for i in range(9))]
    return AnnData(sparse.csr_matrix(counts), obs, pd.DataFrame(index=names))


def normalised(cells: AnnData) -> np.ndarray:
    copy = cells.copy()
    sc.pp.normalize_total(copy, target_sum=1e4)
    sc.pp.log1p(copy)
    return np.asarray(copy.X.todense())


def check(found: Expression, cells: AnnData) -> None:
    wanted = normalised(cells)
    for i, gene in enumerate(cells.var_names):
        np.testing.assert_allclose(found.gene(gene), wanted[:, i], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.by_gene().toarray(), wanted, rtol=1e-5, atol=1e-6)
    two = found.by_gene(["G3", "CD69"]).toarray()
    np.testing.assert_allclose(two, wanted[:, [6, 0]], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.mean(["CD69", "G3"]), wanted[:, [0, 6]].mean(axis=1), 1e-5)
    counts = cells.X.toarray()
    np.testing.assert_array_equal(found.totals, counts.sum(axis=1))
    np.testing.assert_array_equal(found.detected, (counts > 0).sum(axis=1))
    share = 100 * counts[:, 1:3].sum(axis=1) / np.maximum(counts.sum(axis=1), 1)
    assert found.mitochondrial is not None
    np.testing.assert_allclose(found.mitochondrial, share)


def test_counts_are_normalised_as_scanpy_does(cells: AnnData) -> None:
    before = cells.X.copy()
    check(open_expression(cells, counts=True), cells)
    assert (before != cells.X).nnz == 0


@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("chunk", [10, 57, 1000])
def test_the_copy_on_disk_holds_the_same(
    cells: AnnData, tmp_path: Path, chunk: int, dense: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expression, "CHUNK_CELLS", chunk)
    file = tmp_path / "cells.h5ad"
    stored = cells.copy()
    if dense:
        stored.X = stored.X.toarray()
    stored.write_h5ad(file)
    backed = anndata.read_h5ad(file, backed="r")
    cache = tmp_path / "cache" / "hash"
    messages: list[tuple[int, int]] = []
    found = open_expression(
        backed, counts=True, cache=cache, on_progress=lambda d, t, m: messages.append((d, t))
    )
    check(found, cells)
    assert isinstance(found.stored.data, np.memmap)
    assert messages[-1][0] == messages[-1][1]
    backed.file.close()
    # The second time nothing is read but the copy.
    again = open_expression(anndata.read_h5ad(file, backed="r"), counts=True, cache=cache)
    check(again, cells)
    assert [p.name for p in cache.parent.iterdir()] == ["hash"]


def test_other_values_stay_as_they_are(cells: AnnData) -> None:
    cells.X = cells.X * np.float32(0.5)
    cells.uns["log1p"] = {"base": 2.0}
    found = open_expression(cells, counts=False)
    np.testing.assert_array_equal(found.gene("CD69"), cells.X[:, 0].toarray().ravel())
    assert found.mitochondrial is None and found.words == "log2(1 + x)"


def test_unknown_gene_and_damaged_copy(cells: AnnData, tmp_path: Path) -> None:
    found = open_expression(cells, counts=True)
    with pytest.raises(DataError, match="no gene called 'CD70'"):
        found.gene("CD70")
    cache = tmp_path / "hash"
    expression.write_by_gene(cells, cache)
    (cache / "data.npy").write_bytes(b"nonsense")
    cells.write_h5ad(tmp_path / "c.h5ad")
    with pytest.raises(DataError, match="damaged"):
        open_expression(
            anndata.read_h5ad(tmp_path / "c.h5ad", backed="r"), counts=True, cache=cache
        )
