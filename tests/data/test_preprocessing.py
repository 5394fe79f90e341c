from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy import sparse

from core.data import chunked
from core.data.chunked import open_lazy
from core.data.preprocessing import (
    PRESETS,
    Preprocessing,
    cut_offs,
    has_counts,
    mitochondrial,
    preprocess,
    quality,
    scanpy_script,
)
from core.data.preprocessing.lazy import preprocess_lazy
from core.errors import DataError


def small() -> anndata.AnnData:
    """Four cells × four genes whose answers are counted by hand."""
    counts = np.array([[5, 0, 3, 2], [0, 0, 1, 9], [3, 3, 0, 0], [0, 0, 0, 1]], dtype=np.float32)
    cells = anndata.AnnData(sparse.csr_matrix(counts))
    cells.var_names = ["A", "B", "C", "MT-ND1"]
    cells.obs_names = ["w", "x", "y", "z"]
    cells.obs["type"] = pd.Categorical(["a", "a", "b", "b"])
    return cells


def random_cells(seed: int, n: int = 90, genes: int = 60) -> anndata.AnnData:
    rng = np.random.default_rng(seed)
    rate = rng.gamma(0.6, 2.0, size=genes) * rng.gamma(2.0, 0.7, size=(n, 1))
    cells = anndata.AnnData(sparse.csr_matrix(rng.poisson(rate).astype(np.float32)))
    cells.var_names = [f"G{i}" for i in range(genes - 3)] + ["mt-Nd1", "mt-Co1", "mt-Cytb"]
    cells.obs_names = [f"c{i}" for i in range(n)]
    cells.obs["batch"] = pd.Categorical(np.array(["p", "q", "r"])[np.arange(n) % 3])
    return cells


def test_quality_is_what_one_counts_by_hand() -> None:
    table = quality(small())
    assert table["counts"].tolist() == [10, 10, 6, 1]
    assert table["genes"].tolist() == [3, 2, 2, 1]
    assert table["mito_percent"].tolist() == [20, 90, 0, 100]


def test_each_cut_off_says_what_it_removes_alone_and_with_others() -> None:
    config = Preprocessing(min_counts=5, max_mito=50)
    table = cut_offs(quality(small()), config).set_index("cut_off")
    assert table.loc["Min. reads", ["removed", "only"]].tolist() == [1, 0]
    assert table.loc["Max. mito (%)", ["removed", "only"]].tolist() == [2, 1]
    assert table.loc["all together", ["removed", "percent"]].tolist() == [2, 50]


def test_steps_say_how_many_and_the_input_stays() -> None:
    cells = small()
    before = cells.X.toarray()
    found = preprocess(cells, Preprocessing(min_counts=5, max_mito=50, gene_min_cells=2))
    assert found.steps[0] == "Removed 1 cell with fewer than 5 reads."
    assert found.steps[1] == "Removed 1 cell with more than 50 % mitochondrial reads."
    assert found.steps[2] == "Removed 3 genes without at least 1 read in at least 2 cells; 1 stay."
    assert list(found.cells.obs_names) == ["w", "y"]
    assert list(found.cells.var_names) == ["A"]
    np.testing.assert_array_equal(found.cells.layers["counts"].toarray(), [[5], [3]])
    np.testing.assert_allclose(found.cells.X.toarray(), np.log1p([[1e4], [1e4]]), rtol=1e-6)
    np.testing.assert_array_equal(cells.X.toarray(), before)
    assert list(cells.layers) == []
    assert found.cells.X.dtype == np.float32
    assert sparse.isspmatrix_csr(found.cells.X) or found.cells.X.format == "csr"


def test_genes_first_judges_cells_by_the_genes_that_stay() -> None:
    # A has 3 or more reads in w and y, B in y only, C in w, MT-ND1 in x: with 2 cells only A stays.
    config = Preprocessing(gene_min_reads=3, gene_min_cells=2, min_counts=4, genes_first=True)
    found = preprocess(small(), config)
    assert list(found.cells.var_names) == ["A"]
    assert list(found.cells.obs_names) == ["w"]


def test_balancing_takes_equal_groups_and_is_repeatable() -> None:
    cells = random_cells(1)
    config = Preprocessing(balance_key="batch", max_per_group=7, seed=3)
    one, two = (preprocess(cells, config).cells for _ in range(2))
    assert one.obs["batch"].value_counts().tolist() == [7, 7, 7]
    assert list(one.obs_names) == list(two.obs_names)
    other = preprocess(cells, config.model_copy(update={"seed": 4})).cells
    assert list(other.obs_names) != list(one.obs_names)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda x: np.log1p(x), "no whole numbers, so it is normalised"),
        (lambda x: x - 1, "negative values, so it is scaled"),
        (lambda x: x * 0, "nothing but zeros"),
        (lambda x: x + np.nan, "missing or infinite values"),
    ],
)
def test_what_is_no_counts_is_refused(spoil, says: str) -> None:
    cells = small()
    cells.X = spoil(cells.X.toarray())
    assert not has_counts(cells)
    with pytest.raises(DataError, match=says):
        preprocess(cells)


def test_the_layer_counts_goes_before_x() -> None:
    cells = small()
    cells.layers["counts"] = cells.X.copy()
    cells.X = np.log1p(cells.X.toarray())
    np.testing.assert_array_equal(
        preprocess(cells).cells.layers["counts"].toarray(), cells.layers["counts"].toarray()
    )


def test_nothing_left_is_said_with_the_cut_off() -> None:
    with pytest.raises(DataError, match=r"No cell is left: the last 4 cells have fewer than 100"):
        preprocess(small(), Preprocessing(min_counts=100))
    with pytest.raises(DataError, match="No gene is left: none has at least 1 read in at least 9"):
        preprocess(small(), Preprocessing(gene_min_cells=9))
    with pytest.raises(DataError, match="no column 'nope'; known: 'type'"):
        preprocess(small(), Preprocessing(balance_key="nope"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"min_counts": 10, "max_counts": 5},
        {"n_hvg": 10, "log": False},
        {"max_per_group": 4},
        {"hvg_only": True},
    ],
)
def test_configs_that_contradict_themselves_are_refused(wrong: dict) -> None:
    with pytest.raises(ValidationError):
        Preprocessing(**wrong)


def test_mitochondrial_genes_by_symbol_by_column_and_by_id() -> None:
    def cells(names: list[str], **columns: list[str]) -> anndata.AnnData:
        return anndata.AnnData(
            np.ones((2, len(names)), dtype=np.float32),
            var=pd.DataFrame(columns, index=names),
        )

    assert mitochondrial(cells(["MT-CO1", "MTOR", "MT1X"])).tolist() == [True, False, False]
    assert mitochondrial(cells(["mt-Nd1", "Mtor"])).tolist() == [True, False]
    ids = ["ENSG00000000001", "ENSG00000000002"]
    found = mitochondrial(cells(ids, gene_symbols=["MT-CYB", "CD69"]))
    assert found.tolist() == [True, False]
    assert mitochondrial(cells(["ENSG00000198888.2", "ENSMUSG00000064341", "X"])).tolist() == [
        True,
        True,
        False,
    ]
    assert not mitochondrial(cells(["A", "B"])).any()


def test_a_mitochondrial_cut_without_such_genes_removes_nobody_and_says_so() -> None:
    cells = small()[:, :3].copy()
    found = preprocess(cells, Preprocessing(max_mito=5, min_counts=1))
    assert "removed no cell: no gene is known to be mitochondrial" in " ".join(found.steps)
    assert found.cells.n_obs == 3


def test_landmarks_preset_is_the_papers() -> None:
    config = PRESETS.get("landmarks paper").value
    assert (config.gene_min_reads, config.gene_min_cells, config.min_counts) == (3, 5, 1000)
    assert (config.target_sum, config.log, config.n_hvg) == (1e4, True, None)


CONFIGS = [entry.value for entry in PRESETS] + [
    Preprocessing(
        min_counts=20,
        max_counts=400,
        min_genes=5,
        max_genes=55,
        max_mito=20,
        gene_min_reads=2,
        gene_min_cells=4,
        balance_key="batch",
        target_sum=None,
        n_hvg=12,
        hvg_flavor="cell_ranger",
    ),
    Preprocessing(n_hvg=20, hvg_batch_key="batch", hvg_only=True, genes_first=True, max_mito=30),
]


@pytest.mark.parametrize("config", [CONFIGS[4], CONFIGS[5], CONFIGS[6]])
def test_the_exported_script_does_the_same(config: Preprocessing, tmp_path: Path) -> None:
    cells = random_cells(2)
    cells.write_h5ad(tmp_path / "in.h5ad")
    script = scanpy_script(config, title='A "title" with \\ and """ in it\nimport os')
    assert "import os" not in script
    (tmp_path / "preprocess.py").write_text(script)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "preprocess.py", "in.h5ad", "out.h5ad"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    theirs, ours = anndata.read_h5ad(tmp_path / "out.h5ad"), preprocess(cells, config).cells
    assert list(theirs.obs_names) == list(ours.obs_names)
    assert list(theirs.var_names) == list(ours.var_names)
    np.testing.assert_array_equal(theirs.X.toarray(), ours.X.toarray())
    np.testing.assert_array_equal(
        theirs.layers["counts"].toarray(), ours.layers["counts"].toarray()
    )
    if config.n_hvg:
        assert (theirs.var["highly_variable"] == ours.var["highly_variable"]).all()


@pytest.mark.parametrize("config", CONFIGS)
def test_scripts_are_python(config: Preprocessing) -> None:
    compile(scanpy_script(config), "script", "exec")


@pytest.mark.parametrize("config", [CONFIGS[2], CONFIGS[3], CONFIGS[5]])
def test_in_chunks_through_dask_it_is_the_same(
    config: Preprocessing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunked, "CHUNK_CELLS", 25)
    config = config.model_copy(update={"min_genes": 5, "n_hvg": config.n_hvg and 20})
    cells = random_cells(5)
    cells.write_h5ad(tmp_path / "in.h5ad")
    lazy = open_lazy(tmp_path / "in.h5ad")
    assert lazy.X.numblocks == (4, 1)
    ours, theirs = preprocess(cells, config), preprocess_lazy(lazy, config)
    assert theirs.steps == ours.steps
    theirs.cells.write_h5ad(tmp_path / "out.h5ad")
    stored = anndata.read_h5ad(tmp_path / "out.h5ad")
    assert list(stored.obs_names) == list(ours.cells.obs_names)
    assert list(stored.var_names) == list(ours.cells.var_names)
    np.testing.assert_allclose(stored.X.toarray(), ours.cells.X.toarray(), rtol=1e-6)
    np.testing.assert_array_equal(
        stored.layers["counts"].toarray(), ours.cells.layers["counts"].toarray()
    )
    if config.n_hvg:
        assert (stored.var["highly_variable"] == ours.cells.var["highly_variable"]).all()


@settings_of_hypothesis(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 1000),
    min_counts=st.integers(0, 60),
    min_genes=st.integers(0, 20),
    reads=st.integers(1, 4),
    n_cells=st.integers(0, 10),
    genes_first=st.booleans(),
)
def test_whatever_the_cut_offs_the_rest_obeys_them(
    seed: int, min_counts: int, min_genes: int, reads: int, n_cells: int, genes_first: bool
) -> None:
    cells = random_cells(seed, 30, 20)
    config = Preprocessing(
        min_counts=min_counts,
        min_genes=min_genes,
        gene_min_reads=reads,
        gene_min_cells=n_cells,
        genes_first=genes_first,
    )
    try:
        found = preprocess(cells, config).cells
    except DataError as error:
        assert "is left" in str(error)
        return
    assert (found.obs["counts"] >= min_counts).all()
    assert (found.obs["genes"] >= min_genes).all()
    if not genes_first:
        expressed = (found.layers["counts"].toarray() >= reads).sum(axis=0)
        assert (expressed >= n_cells).all()
    totals = np.expm1(found.X.toarray().astype(np.float64)).sum(axis=1)
    left = found.layers["counts"].toarray().sum(axis=1) > 0
    np.testing.assert_allclose(totals[left], 1e4, rtol=1e-4)
