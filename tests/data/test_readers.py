from __future__ import annotations

import gzip
import io
import tarfile
import time
import zipfile
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st
from scipy import io as scipy_io
from scipy import sparse

from core.data import import_file, load_cells, untrusted
from core.data.orientation import orientation
from core.data.readers.tenx import read_10x_archive, read_10x_h5
from core.errors import DataError
from core.settings import Settings, load_settings

COUNTS = np.array([[1, 0, 2], [0, 4, 0], [5, 0, 0], [0, 0, 7]], dtype=np.float32)  # cells × genes
GENES, IDS = ["CD69", "TP53", "INS"], [f"ENSG0000000000{i}" for i in range(3)]
BARCODES = ["AAAC-1", "AAAG-1", "AAAT-1", "AACA-1"]


def real(n: int = 12) -> anndata.AnnData:
    rng = np.random.default_rng(0)
    cells = anndata.AnnData(sparse.csr_matrix(rng.poisson(2.0, (n, 3)).astype(np.float32)))
    cells.var_names = GENES
    cells.obs_names = [f"cell{i}" for i in range(n)]
    cells.obs["type"] = pd.Categorical(["a", "b"] * (n // 2))
    return cells


def tenx_h5(path: Path, types: list[str] | None = None, old: bool = False) -> Path:
    matrix = sparse.csc_matrix(COUNTS.T)
    with h5py.File(path, "w") as file:
        group = file.create_group("GRCh38" if old else "matrix")
        group["barcodes"] = np.array(BARCODES, dtype="S")
        for name in ("data", "indices", "indptr"):
            group[name] = getattr(matrix, name)
        group["data"][...] = matrix.data.astype(np.int32)
        group["shape"] = np.array(matrix.shape, dtype=np.int32)
        if old:
            group["genes"], group["gene_names"] = np.array(IDS, "S"), np.array(GENES, "S")
        else:
            features = group.create_group("features")
            features["id"], features["name"] = np.array(IDS, "S"), np.array(GENES, "S")
            features["feature_type"] = np.array(types or ["Gene Expression"] * 3, "S")
    return path


def mtx_parts(gzipped: bool = True, features: str = "features.tsv") -> dict[str, bytes]:
    buffer = io.BytesIO()
    scipy_io.mmwrite(buffer, sparse.coo_matrix(COUNTS.T.astype(int)), field="integer")
    rows = "".join(f"{i}\t{g}\tGene Expression\n" for i, g in zip(IDS, GENES, strict=True))
    parts = {
        "matrix.mtx": buffer.getvalue(),
        features: rows.encode(),
        "barcodes.tsv": ("\n".join(BARCODES) + "\n").encode(),
    }
    if gzipped:
        parts = {f"{name}.gz": gzip.compress(content) for name, content in parts.items()}
    return parts


def archive(path: Path, parts: dict[str, bytes], folder: str = "sample/") -> Path:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as target:
            for name, content in parts.items():
                target.writestr(folder + name, content)
        return path
    with tarfile.open(path, "w:gz") as tar:
        for name, content in parts.items():
            info = tarfile.TarInfo(folder + name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def loom(path: Path) -> Path:
    with h5py.File(path, "w") as file:
        file["matrix"] = COUNTS.T
        file["row_attrs/Gene"] = np.array(GENES, "S")
        file["row_attrs/Accession"] = np.array(IDS, "S")
        file["col_attrs/CellID"] = np.array(BARCODES, "S")
        file["col_attrs/Cluster"] = np.array(["x", "y", "x", "y"], "S")
    return path


def table(path: Path, transposed: bool) -> Path:
    frame = pd.DataFrame(COUNTS.astype(int), index=BARCODES, columns=GENES)
    (frame.T if transposed else frame).to_csv(path, sep="\t" if ".tsv" in path.name else ",")
    return path


@pytest.mark.parametrize(
    "make",
    [
        lambda folder: tenx_h5(folder / "filtered.h5"),
        lambda folder: tenx_h5(folder / "old.h5", old=True),
        lambda folder: archive(folder / "mtx.zip", mtx_parts()),
        lambda folder: archive(folder / "mtx.tar.gz", mtx_parts()),
        lambda folder: archive(folder / "old.zip", mtx_parts(False, "genes.tsv"), ""),
        lambda folder: archive(
            folder / "geo.tgz", {f"GSM1_{k}": v for k, v in mtx_parts().items()}, ""
        ),
        lambda folder: loom(folder / "cells.loom"),
        lambda folder: table(folder / "cells.csv", False),
        lambda folder: table(folder / "genes.csv", True),
        lambda folder: table(folder / "genes.tsv.gz", True),
    ],
)
def test_every_format_gives_the_same_cells(make, tmp_path: Path, settings: Settings) -> None:
    report = import_file(make(tmp_path), settings=settings)
    cells = load_cells(report.status.id, settings)
    assert list(cells.var_names) == GENES
    assert list(cells.obs_names) == BARCODES
    np.testing.assert_array_equal(cells.X.toarray(), COUNTS)
    assert any("raw counts" in sentence for sentence in report.understood)


def test_other_features_than_genes_are_left_out(tmp_path: Path) -> None:
    path = tenx_h5(tmp_path / "t.h5", ["Gene Expression", "Antibody Capture", "Gene Expression"])
    cells = read_10x_h5(path)
    assert list(cells.var_names) == ["CD69", "INS"]
    assert cells.var["gene_ids"].tolist() == [IDS[0], IDS[2]]


def _without(name: str) -> dict[str, bytes]:
    return {key: value for key, value in mtx_parts().items() if not key.startswith(name)}


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        (_without("barcodes"), "has no barcodes.tsv: it must hold"),
        ({}, "has no matrix.mtx, features.tsv and barcodes.tsv"),
        (mtx_parts() | {"barcodes.tsv": b"one\n"}, "more than one barcodes.tsv"),
        (_without("barcodes") | {"barcodes.tsv": b"one\n"}, "4 barcodes, but 1 are named"),
        (_without("matrix") | {"matrix.mtx": b"rubbish"}, "matrix.mtx in t.zip cannot be read"),
        (_without("matrix") | {"matrix.mtx.gz": b"\x1f\x8bxx"}, "cut short or damaged"),
    ],
)
def test_faulty_archives_are_named(parts: dict[str, bytes], says: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=says):
        read_10x_archive(archive(tmp_path / "t.zip", parts), 10**6)


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    parts = _without("matrix") | {"matrix.mtx.gz": gzip.compress(b"0" * 10**6)}
    with pytest.raises(DataError, match="unpacks to more than the limit"):
        read_10x_archive(archive(tmp_path / "t.tar.gz", parts), 10**5)


def test_orientation_is_told_from_names() -> None:
    assert orientation(BARCODES, GENES) == "cells × genes"
    assert orientation(["Cd69", "Trp53", "Ins1", "Actb"], BARCODES) == "genes × cells"
    assert orientation(["ENSMUSG00000064341"], ["a"]) == "genes × cells"
    assert orientation(["r1", "r2"], ["k1", "k2"]) is None


def imported(cells: anndata.AnnData, folder: Path, settings: Settings, **options: str):
    cells.write_h5ad(folder / "t.h5ad")
    return import_file(folder / "t.h5ad", settings=settings, **options)


def test_a_transposed_h5ad_is_refused_and_read_when_said(
    tmp_path: Path, settings: Settings
) -> None:
    with pytest.raises(DataError, match="The file is transposed: its rows are named as genes"):
        imported(real().T.copy(), tmp_path, settings)
    report = imported(real().T.copy(), tmp_path, settings, orientation="genes × cells")
    assert report.status.n_rows == 12
    with pytest.raises(DataError, match="is no orientation"):
        import_file(tmp_path / "t.h5ad", orientation="sideways", settings=settings)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda x: x - 2, "The layer 'counts' holds a negative value"),
        (lambda x: x / 3, "The layer 'counts' holds a value that is no whole number"),
    ],
)
def test_counts_that_are_none_are_refused(spoil, says, tmp_path: Path, settings: Settings) -> None:
    cells = real()
    cells.layers["counts"] = sparse.csr_matrix(spoil(cells.X.toarray()))
    with pytest.raises(DataError, match=says) as caught:
        imported(cells, tmp_path, settings)
    assert "\n" not in str(caught.value)


def test_negative_and_fractional_x_duplicates_mixed_names_and_organism_are_said(
    tmp_path: Path, settings: Settings
) -> None:
    cells = real()
    cells.X = sparse.csr_matrix(cells.X.toarray() - 1)
    report = imported(cells, tmp_path, settings)
    assert any("holds negative values" in words for words in report.warnings)
    cells = real()
    cells.var_names = ["CD69", "CD69", "INS"]
    report = imported(cells, tmp_path, settings)
    assert any("stood more than once" in words for words in report.warnings)
    cells = real()
    cells.var_names = ["CD69", "ENSG00000000001", "INS"]
    report = imported(cells, tmp_path, settings)
    assert any("named in two ways: 1 Ensembl id" in words for words in report.warnings)
    cells = real()
    cells.var_names = ["Cd69", "Trp53", "Ins1"]
    report = imported(cells, tmp_path, settings, organism="human")
    assert any(
        "named as in mouse, but the organism was given as human" in w for w in report.warnings
    )


def test_hostile_names_are_tamed(tmp_path: Path, settings: Settings) -> None:
    cells = real()
    groups = ["<script>alert(1)</script>", "a/b\nc", "x" * 5000, "../../etc"]
    cells.obs["group"] = pd.Categorical(groups * 3)
    cells.obs["y" * 500] = 1
    report = imported(cells, tmp_path, settings)
    stored = load_cells(report.status.id, settings)
    assert stored.n_obs == 12
    names = list(stored.obs["group"].cat.categories)
    assert max(map(len, names)) <= 200
    assert not any("\n" in name for name in names)
    assert "<script>alert(1)</script>" in names  # pages escape it: data is not rewritten
    assert max(len(str(column)) for column in stored.obs.columns) <= 80
    assert any("shortened or cleaned" in words for words in report.warnings)
    frame = pd.DataFrame(
        {"cell": BARCODES, "a/b": list("uvuv")} | dict(zip(GENES, COUNTS.T, strict=True))
    )
    frame.to_csv(tmp_path / "slash.csv", index=False)
    slash = import_file(tmp_path / "slash.csv", settings=settings)
    assert "a_b" in load_cells(slash.status.id, settings).obs


def test_counts_of_raw_become_the_layer(tmp_path: Path, settings: Settings) -> None:
    cells = real()
    cells.raw = cells.copy()
    cells.X = sparse.csr_matrix(np.log1p(cells.X.toarray()))
    stored = load_cells(imported(cells, tmp_path, settings).status.id, settings)
    np.testing.assert_array_equal(stored.layers["counts"].toarray(), real().X.toarray())


def test_a_file_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    """As a damaged HDF5 file that its library reads for ever."""
    settings = load_settings(workspace=tmp_path / "w", import_limit_s=1e-4)
    real().write_h5ad(tmp_path / "t.h5ad")
    started = time.monotonic()
    with pytest.raises(DataError, match=r"was stopped after 0\.0001 seconds: the file is damaged"):
        import_file(tmp_path / "t.h5ad", settings=settings)
    assert time.monotonic() - started < 60
    assert not list((tmp_path / "w").glob(".import-*"))


def test_a_file_that_crashes_its_reader_is_said(tmp_path: Path, settings: Settings) -> None:
    real().write_h5ad(tmp_path / "t.h5ad")
    import_file(tmp_path / "t.h5ad", settings=settings)
    for helper in list(untrusted._pool.idle):  # as a crash of HDF5 would
        helper.process.kill()
        helper.process.wait()
    again = import_file(tmp_path / "t.h5ad", settings=settings)
    assert again.status.n_rows == 12


@settings_of_hypothesis(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    name=st.sampled_from(["t.h5ad", "t.h5", "t.loom", "t.zip", "t.tar.gz"]),
)
@example(seed=318736336, name="t.h5")  # a NUL inside a gene's identifier
def test_a_damaged_binary_file_is_read_or_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, seed: int, name: str
) -> None:
    folder = tmp_path_factory.mktemp("damage")
    path = folder / name
    if name == "t.h5ad":
        real().write_h5ad(path)
    elif name == "t.h5":
        tenx_h5(path)
    elif name == "t.loom":
        loom(path)
    else:
        archive(path, mtx_parts())
    content = np.frombuffer(path.read_bytes(), dtype=np.uint8).copy()
    rng = np.random.default_rng(seed)
    content[rng.integers(len(content), size=4)] = rng.integers(256, size=4)
    path.write_bytes(content[: len(content) - int(rng.integers(3)) * 50].tobytes())
    settings = load_settings(workspace=folder / "w", import_limit_s=5)
    try:
        import_file(path, settings=settings)
    except DataError as error:
        assert "\n" not in str(error)


def test_above_the_threshold_a_file_is_copied_in_blocks_and_is_the_same(
    tmp_path: Path, settings: Settings
) -> None:
    cells = real(40)
    cells.obsm["X_umap"] = np.ones((40, 2), dtype=np.float32)
    cells.write_h5ad(tmp_path / "t.h5ad")
    small = load_settings(workspace=tmp_path / "w", chunked_above_mb=0)
    report = import_file(tmp_path / "t.h5ad", settings=small)
    assert any("copied in blocks" in words for words in report.understood)
    whole = import_file(tmp_path / "t.h5ad", settings=settings)
    assert report.status.content_hash == whole.status.content_hash
    one, two = load_cells("t", small), load_cells("t", settings)
    np.testing.assert_array_equal(one.X.toarray(), two.X.toarray())
    pd.testing.assert_frame_equal(one.obs, two.obs)
    assert "X_umap" in one.obsm
