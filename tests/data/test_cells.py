from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from core.data.cells import cells_hash, guess_organism, validate_cells
from core.data.faults import InvalidTableError


def make(matrix: object = None, genes: list[str] | None = None, **obs: list) -> anndata.AnnData:
    matrix = np.array([[0, 3, 1], [2, 0, 0]], dtype=np.float32) if matrix is None else matrix
    n, m = matrix.shape  # type: ignore[attr-defined]
    return anndata.AnnData(
        X=matrix,
        obs=pd.DataFrame(obs, index=pd.Index([f"c{i}" for i in range(n)])),
        var=pd.DataFrame(index=pd.Index(genes or ["INS", "GCG", "SST", "PPY"][:m])),
    )


def refused(cells: anndata.AnnData) -> str:
    with pytest.raises(InvalidTableError) as caught:
        validate_cells(cells)
    return str(caught.value)


@pytest.mark.parametrize("wrap", [np.asarray, sparse.csr_matrix, sparse.csc_matrix])
@pytest.mark.parametrize("dtype", [np.float64, np.int64, np.uint16])
def test_counts_of_any_type_become_float32(wrap: type, dtype: type) -> None:
    matrix = np.array([[0, 3, 1], [2, 0, 0]])
    found = validate_cells(make(wrap(matrix.astype(dtype))))
    assert found.values == "counts" and found.warnings == []
    assert found.cells.X.dtype == np.float32
    dense = found.cells.X.toarray() if sparse.issparse(found.cells.X) else found.cells.X
    np.testing.assert_array_equal(dense, matrix)
    assert "X holds raw counts (whole numbers from 0 to 3)." in found.understood


def test_scaled_and_normalised_values_are_told_apart() -> None:
    scaled = validate_cells(make(np.array([[0.5, -1.25], [0.0, 2.0]])))
    assert scaled.values == "scaled values"
    assert "(cell 'c0', gene 'GCG'; 1 such value in all)" in scaled.warnings[0]
    normal = validate_cells(make(sparse.csr_matrix(np.array([[0, 1.5, 0], [0, 0, 2.0]]))))
    assert normal.values == "non-negative values"
    assert "(cell 'c0', gene 'GCG'; 1 such value in all)" in normal.warnings[0]


def test_faults_of_values_name_cell_and_gene() -> None:
    broken = np.array([[0, 1.0, 0], [0, np.nan, np.inf]])
    says = "X holds a missing or infinite value (cell 'c1', gene 'GCG'; 2 such values in all)."
    assert refused(make(broken)) == says
    assert refused(make(sparse.csr_matrix(broken))) == says
    assert refused(make(np.zeros((2, 3)))) == "X holds nothing but zeros."


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (-1.0, "The layer 'counts' holds a negative value (cell 'c1', gene 'SST'; 1 such"),
        (1.5, "The layer 'counts' holds a value that is no whole number (cell 'c1', gene 'SST'"),
        (np.nan, "The layer 'counts' holds a missing or infinite value (cell 'c1', gene 'SST'"),
    ],
)
@pytest.mark.parametrize("wrap", [np.asarray, sparse.csr_matrix])
def test_a_layer_called_counts_must_hold_counts(value: float, says: str, wrap: type) -> None:
    cells = make()
    layer = np.array([[0, 3, 1], [2, 0, value]])
    cells.layers["counts"] = wrap(layer)
    assert refused(cells).startswith(says)


def test_empty_files_and_missing_matrices() -> None:
    assert refused(make(np.empty((0, 3)))) == "The file holds no cells (0 × 3)."
    assert refused(make(np.empty((2, 0)))) == "The file holds no genes (2 × 0)."
    cells = make()
    del cells.X
    assert refused(cells) == "The file has no X and no layer 'counts' (layers: none)."
    cells.layers["counts"] = np.array([[1, 0, 0], [0, 2, 0]])
    found = validate_cells(cells)
    assert found.values == "counts"
    assert "X is missing: the layer 'counts' was taken in its place." in found.understood


def test_repeated_names_are_made_unique_and_said() -> None:
    cells = make(genes=["INS", "INS", "GCG"])
    cells.obs_names = ["a", "a"]
    found = validate_cells(cells)
    assert list(found.cells.var_names) == ["INS", "INS-1", "GCG"]
    assert found.cells.obs_names.is_unique
    assert "1 gene name stood more than once and was made unique with -1, -2 …: INS." in (
        found.warnings
    )
    assert any("cell name" in warning for warning in found.warnings)


def test_control_characters_in_names_become_spaces_and_are_said(tmp_path: object) -> None:
    cells = make(genes=["INS", "G\0CG", "SST"])
    cells.var["gene_ids"] = ["a\0b", "c", "d"]
    cells.obs_names = ["a", "b\n"]
    found = validate_cells(cells)
    assert list(found.cells.var_names) == ["INS", "G CG", "SST"]
    assert list(found.cells.var["gene_ids"]) == ["a b", "c", "d"]
    assert "1 gene name held control characters, and each became a space: G CG." in found.warnings
    found.cells.write_h5ad(f"{tmp_path}/x.h5ad")  # HDF5 holds no NUL


IDS = ["ENSG00000254647", "ENSG00000115263.14", "ENSG00000157005"]


def test_ensembl_ids_give_way_to_symbols_where_there_are_any() -> None:
    plain = validate_cells(make(genes=IDS))
    assert (plain.identifiers, plain.organism) == ("Ensembl ids", "human")
    cells = make(genes=IDS)
    cells.var["feature_name"] = ["INS", None, "SST"]
    found = validate_cells(cells)
    assert list(found.cells.var_names) == ["INS", IDS[1], "SST"]
    assert found.cells.var["gene_ids"].tolist() == IDS
    assert found.identifiers == "symbols"


@pytest.mark.parametrize(
    ("genes", "organism"),
    [
        (["INS", "GCG", "C1orf112", "HLA-A"], "human"),
        (["Ins1", "Gcg", "0610007P14Rik", "mt-Co1"], "unknown"),
        (["Ins1", "Gcg", "0610007P14Rik", "Sst", "Ppy", "mt-Co1"], "mouse"),
        (["ENSMUSG00000035804", "ENSMUSG00000000394.14"], "mouse"),
        (["ENSRNOG00000012052", "ENSRNOG00000012053"], "unknown"),
        (["1", "2", "3"], "unknown"),
        (["insulin", "glucagon"], "unknown"),
    ],
)
def test_the_organism_is_guessed_from_names(genes: list[str], organism: str) -> None:
    assert guess_organism(pd.Index(genes)) == organism


def test_a_contradicted_organism_is_a_warning() -> None:
    found = validate_cells(make(), organism="mouse")
    assert found.organism == "mouse"
    assert found.warnings == ["Genes are named as in human, but the organism was given as mouse."]


def test_mixed_descriptions_can_be_stored(tmp_path: object) -> None:
    cells = make(mixed=["a", 3], gone=[None, "x"], number=[1, 2])
    found = validate_cells(cells)
    assert found.cells.obs["mixed"].tolist() == ["a", "3"]
    assert found.cells.obs["gone"].isna().tolist() == [True, False]
    found.cells.write_h5ad(f"{tmp_path}/x.h5ad")


def test_the_hash_follows_values_names_and_descriptions() -> None:
    base = validate_cells(make(label=["a", "b"])).cells
    same = validate_cells(make(sparse.csr_matrix(base.X), label=["a", "b"])).cells
    assert cells_hash(base) == cells_hash(base.copy())
    others = [
        validate_cells(make(label=["a", "c"])).cells,
        validate_cells(make(genes=["INS", "GCG", "PPY"], label=["a", "b"])).cells,
        validate_cells(make(np.array([[0, 3, 1], [2, 0, 1.0]]), label=["a", "b"])).cells,
    ]
    hashes = {cells_hash(cells) for cells in (base, *others)}
    assert len(hashes) == 4
    assert cells_hash(same)
