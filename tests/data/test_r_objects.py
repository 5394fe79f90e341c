from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from core.data import import_file, load_cells
from core.data.readers.r_objects import (
    read_experiment,
    read_granja,
    read_panglaodb,
    read_sparse,
    split_symbol,
)
from core.errors import DataError
from core.progress import silent
from core.settings import Settings
from tests.data.r_writer import (
    Environment,
    S4Object,
    Strings,
    dframe,
    dgcmatrix,
    experiment,
    write_rdata,
    write_rds,
)

#: Genes × cells.
COUNTS = np.array([[0, 3, 0, 7], [1, 0, 0, 0], [0, 0, 5, 2]], dtype=float)
ROWS = ["INS_ENSG00000254647.6", "HLA-A_ENSG00000206503.12", "GCG_ENSG00000115263.14"]
CELLS = ["AAAC", "AAAG", "AAAT", "AACC"]


@pytest.mark.parametrize("name", ["sm", "sm2", "anything"])
def test_a_panglaodb_sample(tmp_path: Path, name: str) -> None:
    path = tmp_path / "SRA1_SRS2.sparse.RData"
    write_rdata(path, {"other": np.arange(3), name: dgcmatrix(COUNTS, ROWS, CELLS)})
    cells = read_panglaodb({"sample": path}, silent)
    np.testing.assert_array_equal(cells.X.toarray(), COUNTS.T)
    assert list(cells.obs_names) == CELLS
    assert list(cells.var_names) == ["INS", "HLA-A", "GCG"]
    assert cells.var["gene_ids"].tolist()[0] == "ENSG00000254647.6"


def test_a_panglaodb_file_can_be_imported(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "SRA1_SRS2.sparse.RData"
    mouse = ["Ins1_ENSMUSG00000035804.5", "Gcg_ENSMUSG00000000394.14", "Sst_ENSMUSG00000004366.3"]
    write_rdata(path, {"sm": dgcmatrix(COUNTS, mouse, CELLS)})
    report = import_file(path, settings=settings)
    assert (report.status.kind, report.status.organism) == ("cells", "mouse")
    cells = load_cells(report.status.id, settings)
    np.testing.assert_array_equal(cells.X.toarray(), COUNTS.T)
    with pytest.raises(DataError, match="can only be read as cells"):
        import_file(path, kind="perturbation", settings=settings)


def test_an_rds_file_holds_one_matrix_and_geo_packs_it_twice(tmp_path: Path) -> None:
    write_rds(tmp_path / "a.rds", dgcmatrix(COUNTS, ["A", "B", "C"], None))
    twice = gzip.compress((tmp_path / "a.rds").read_bytes())
    (tmp_path / "b.rds.gz").write_bytes(twice)
    for name in ("a.rds", "b.rds.gz"):
        cells = read_sparse(tmp_path / name)
        np.testing.assert_array_equal(cells.X.toarray(), COUNTS.T)
        assert list(cells.obs_names) == ["cell1", "cell2", "cell3", "cell4"]


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("INS_ENSG00000254647.6", ("INS", "ENSG00000254647.6")),
        ("HLA-A-ENSG00000206503", ("HLA-A", "ENSG00000206503")),
        ("Ins1_ENSMUSG00000035804.5", ("Ins1", "ENSMUSG00000035804.5")),
        ("MT-CO1", ("MT-CO1", "")),
        ("Y_RNA", ("Y_RNA", "")),
    ],
)
def test_symbols_and_ids_are_split(name: str, parts: tuple[str, str]) -> None:
    assert split_symbol(name) == parts


def test_damaged_r_files_are_refused_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "x.RData"
    write_rdata(path, {"sm": dgcmatrix(COUNTS, ROWS, CELLS)})
    whole = path.read_bytes()
    for content, says in (
        (b"", "is empty"),
        (b"no R file", "cannot be read"),
        (whole[: len(whole) // 2], "cannot be read"),
        (gzip.compress(gzip.decompress(whole)[:-40]), "cannot be read"),
    ):
        path.write_bytes(content)
        with pytest.raises(DataError, match=f"x.RData {says}"):
            read_sparse(path)
    with pytest.raises(DataError, match="does not exist"):
        read_sparse(tmp_path / "y.RData")
    write_rdata(path, {"a": np.arange(3), "b": Strings(["x"])})
    with pytest.raises(DataError, match=r"no sparse matrix \(it holds a, b\)"):
        read_sparse(path)


@pytest.mark.parametrize(
    ("slot", "value"),
    [
        ("i", np.array([0, 1, 9, 0, 2])),
        ("p", np.array([0, 1, 2, 3])),
        ("x", np.array([1.0])),
    ],
)
def test_a_matrix_that_contradicts_itself_is_refused(
    tmp_path: Path, slot: str, value: np.ndarray
) -> None:
    broken = S4Object({**dgcmatrix(COUNTS, ROWS, CELLS), slot: value})
    write_rdata(tmp_path / "x.RData", {"sm": broken})
    with pytest.raises(DataError, match="contradicts itself"):
        read_sparse(tmp_path / "x.RData")


def _granja(folder: Path) -> dict[str, Path]:
    genes = dframe({"gene_name": ["CD69", "CD34", "MPO"]}, None)
    names = [f"{group}:{code}" for group, code in zip("DDPP", CELLS, strict=True)]
    described = dframe(
        {
            "Group": ["D1", "D1", "MPAL1", "MPAL1"],
            "Barcode": CELLS,
            "ProjectClassification": ["Reference", "Reference", "MPAL_T", "MPAL_M"],
            "UMAP1": [0.5, 1.5, 2.5, 3.5],
        },
        names,
    )
    counts = dgcmatrix(COUNTS, ["CD69", "CD34", "MPO"], names)
    write_rds(folder / "all.rds", experiment(counts, described, genes))
    healthy = dframe(
        {
            "Group": ["D1", "D1"],
            "Barcode": CELLS[:2],
            "BioClassification": ["01_HSC", "19_CD8.N"],
        },
        names[:2],
    )
    few = dgcmatrix(COUNTS[:, :2], ["CD69", "CD34", "MPO"], names[:2])
    write_rds(folder / "healthy.rds", experiment(few, healthy, genes))
    return {"all": folder / "all.rds", "healthy": folder / "healthy.rds"}


@pytest.mark.parametrize("hashed", [True, False])
def test_a_summarized_experiment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hashed: bool
) -> None:
    monkeypatch.setattr(Environment, "hashed", hashed)
    cells = read_experiment(_granja(tmp_path)["all"])
    np.testing.assert_array_equal(cells.X.toarray(), COUNTS.T)
    assert list(cells.var_names) == ["CD69", "CD34", "MPO"]
    assert cells.obs["UMAP1"].tolist() == [0.5, 1.5, 2.5, 3.5]


def test_healthy_and_leukaemic_blood_are_joined(tmp_path: Path) -> None:
    cells = read_granja(_granja(tmp_path), silent)
    assert cells.obs["condition"].tolist() == ["healthy", "healthy", "MPAL", "MPAL"]
    assert cells.obs["cell_type"].tolist() == ["01_HSC", "19_CD8.N", "MPAL_T", "MPAL_M"]
    assert cells.obs["batch"].tolist() == ["D1", "D1", "MPAL1", "MPAL1"]
