from __future__ import annotations

import csv
import gzip
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st
from scipy import sparse

from core.data import (
    import_file,
    list_datasets,
    load_cells,
    load_perturbation,
    read_competition_table,
    write_competition_parquet,
)
from core.data.faults import InvalidTableError
from core.data.readers.delimited import read_delimited
from core.data.registry import RawTable
from core.data.validation import validate
from core.errors import DataError
from core.settings import Settings, load_settings
from tests.data.r_writer import dgcmatrix, write_rdata
from tests.data.tables import GENES, frame


def values_of(id: str, settings: Settings) -> np.ndarray:
    return np.asarray(load_perturbation(id, settings).values)


def csv_text(separator: str = ",", decimal: str = ".") -> str:
    text = frame().to_csv(index=False, sep=separator, decimal=decimal)
    assert isinstance(text, str)
    return text


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("plain.csv", csv_text().encode()),
        ("mark.csv", b"\xef\xbb\xbf" + csv_text().encode()),
        ("tabs.tsv", csv_text("\t").encode()),
        ("tabs.txt", csv_text("\t").encode()),
        ("semicolons.csv", csv_text(";").encode()),
        ("european.csv", csv_text(";", ",").encode()),
        ("bars.csv", csv_text("|").encode()),
        ("packed.csv.gz", gzip.compress(csv_text().encode())),
        ("crlf.csv", csv_text().replace("\n", "\r\n").encode()),
    ],
)
def test_every_usual_text_table_is_read_the_same(
    settings: Settings, tmp_path: Path, name: str, content: bytes
) -> None:
    (tmp_path / name).write_bytes(content)
    report = import_file(tmp_path / name, settings=settings)
    table = load_perturbation(report.status.id, settings)
    np.testing.assert_allclose(table.values, frame()[list(GENES)].to_numpy(), rtol=1e-6)
    assert list(table.genes) == list(GENES)
    assert report.status.ready and report.status.imported and not report.status.simulated
    assert table.meta["source"] == f"imported from {name}"


def test_parquet_and_h5ad_hold_the_same_table(settings: Settings, tmp_path: Path) -> None:
    table = frame()
    table.to_parquet(tmp_path / "a.parquet")
    anndata.AnnData(
        X=table[list(GENES)].to_numpy(),
        obs=table.iloc[:, :5].set_index(pd.Index([f"r{i}" for i in range(6)])),
        var=pd.DataFrame(index=pd.Index(GENES)),
    ).write_h5ad(tmp_path / "b.h5ad")
    one = import_file(tmp_path / "a.parquet", settings=settings)
    two = import_file(tmp_path / "b.h5ad", settings=settings)
    assert one.status.kind == two.status.kind == "perturbation"
    assert one.status.content_hash == two.status.content_hash


def test_the_real_consensus_signatures(settings: Settings, shared_data: Path) -> None:
    path = shared_data / "l1000_consensus.parquet"
    report = import_file(path, settings=settings)
    table = load_perturbation(report.status.id, settings)
    assert (table.n_pairs, table.n_genes) == (984, 978)
    assert table.target == "z-score"
    assert set(table.obs["cell_type"]) == {"all cells"}
    assert "inchikey" in table.obs.columns
    assert len(report.dropped) == 1170 - 984
    assert report.dropped[0] == "Row 26 (Carbidopa) has no SMILES."
    source = pd.read_parquet(path)
    kept = source[source["SMILES"].notna()]
    np.testing.assert_array_equal(table.values, kept[list(table.genes)].to_numpy(np.float32))
    assert table.obs["SMILES"].tolist() == kept["SMILES"].tolist()


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("empty.csv", b"", "The file empty.csv is empty."),
        ("blank.csv", b"\n", "The file blank.csv is empty."),
        ("empty.parquet", b"", "The file empty.parquet is empty."),
        ("other.parquet", b"no parquet at all", "The file other.parquet is no parquet file."),
        ("other.h5ad", b"no hdf5 at all", "The file other.h5ad is no h5ad (HDF5) file."),
        ("table.xlsx", b"PK", "The file table.xlsx is of no known format: parquet, CSV, TSV"),
        ("bytes.csv", b"a,b\0c\n", "The file bytes.csv is no text file."),
        ("wide.csv", "\ufeffa,b\n".encode("utf-16"), "is UTF-16 text: save it as UTF-8."),
        (
            "ragged.csv",
            b"sm_name,SMILES,G1\naspirin,CCO,1\nx,CCC,1,2,3\n",
            "Line 3 of ragged.csv has 5 fields where the header has 3.",
        ),
        (
            "trailing.csv",
            b"sm_name,SMILES,G1\naspirin,CCO,1,\n",
            "Line 2 of trailing.csv has 4 fields where the header has 3.",
        ),
        ("cut.csv.gz", gzip.compress(csv_text().encode())[:-20], "cut.csv.gz is cut short"),
        ("header.csv", b"sm_name,SMILES,G1\n", "has a header but no rows."),
    ],
)
def test_unusable_files_are_refused_in_one_sentence(
    settings: Settings, tmp_path: Path, name: str, content: bytes, says: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError) as caught:
        import_file(tmp_path / name, settings=settings)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not any(status.imported for status in list_datasets(settings))


@pytest.mark.parametrize("kept", [0.5, 0.9, 0.999])
def test_a_truncated_parquet_is_said(settings: Settings, tmp_path: Path, kept: float) -> None:
    path = tmp_path / "t.parquet"
    frame().to_parquet(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(DataError, match=r"parquet file t\.parquet is cut short"):
        import_file(path, settings=settings)


def test_a_parquet_that_is_damaged_inside_is_said(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    frame().to_parquet(path)
    content = bytearray(path.read_bytes())
    content[-200:-8] = b"\xff" * 192
    path.write_bytes(bytes(content))
    with pytest.raises(DataError, match=r"parquet file t\.parquet is damaged"):
        import_file(path, settings=settings)


@settings_of_hypothesis(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    name=st.sampled_from(["t.parquet", "t.csv", "t.csv.gz", "t.RData"]),
)
def test_a_damaged_file_is_read_or_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, seed: int, name: str
) -> None:
    """A few bytes overwritten anywhere; HDF5 is left out, for its library may loop for ever."""
    folder = tmp_path_factory.mktemp("damage")
    path = folder / name
    if name == "t.parquet":
        frame().to_parquet(path)
    elif name == "t.RData":
        write_rdata(path, {"sm": dgcmatrix(np.eye(3), ["A", "B", "C"], ["x", "y", "z"])})
        path.write_bytes(gzip.decompress(path.read_bytes()))
    else:
        frame().to_csv(path, index=False)
    content = np.frombuffer(path.read_bytes(), dtype=np.uint8).copy()
    rng = np.random.default_rng(seed)
    content[rng.integers(len(content), size=3)] = rng.integers(256, size=3)
    path.write_bytes(content[: len(content) - int(rng.integers(3)) * 7].tobytes())
    try:
        import_file(path, settings=load_settings(workspace=folder / "w"))
    except DataError as error:
        assert "\n" not in str(error)


def test_a_carriage_return_inside_a_line_is_said(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"SMILES,sm_name,cell_type,G1\nCCO,a,T,0.1\r2\n")
    with pytest.raises(DataError, match=r"t\.csv .* a carriage return stands inside"):
        import_file(path, settings=settings)


def test_a_truncated_h5ad_is_said(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "t.h5ad"
    anndata.AnnData(np.ones((50, 40), dtype=np.float32)).write_h5ad(path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"h5ad file t\.h5ad is cut short"):
        import_file(path, settings=settings)


def test_faults_of_a_text_table_name_row_and_gene(settings: Settings, tmp_path: Path) -> None:
    table = frame().astype({"CD69": object})
    table.loc[3, "CD69"] = "n.d."
    table.to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(InvalidTableError) as caught:
        import_file(tmp_path / "t.csv", settings=settings)
    assert caught.value.faults == (
        "The gene 'CD69' is 'n.d.', which is not a number in row 4 (B cells, ethanol); "
        "1 such value in all.",
    )


def test_duplicated_gene_columns_of_a_text_table_are_seen(
    settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "t.csv").write_text(csv_text().replace("ZZEF1", "CD69"))
    with pytest.raises(InvalidTableError, match="'CD69' stands 2 times"):
        import_file(tmp_path / "t.csv", settings=settings)


def test_row_names_without_a_header_do_not_shift_columns(
    settings: Settings, tmp_path: Path
) -> None:
    """As R's write.table writes: the header has one field less than the rows."""
    lines = csv_text("\t").splitlines()
    rows = [f"{number}\t{line}" for number, line in enumerate(lines[1:], start=1)]
    (tmp_path / "t.tsv").write_text("\n".join([lines[0], *rows]))
    report = import_file(tmp_path / "t.tsv", settings=settings)
    table = load_perturbation(report.status.id, settings)
    assert list(table.genes) == list(GENES)
    np.testing.assert_allclose(table.values, frame()[list(GENES)].to_numpy(), rtol=1e-6)


def test_a_misspelt_column_does_not_make_it_cells(settings: Settings, tmp_path: Path) -> None:
    table = frame().rename(columns={"SMILES": "SMILSE", "sm_name": "sm_nam"})
    table.to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(InvalidTableError, match="is 'sm_nam' meant") as caught:
        import_file(tmp_path / "t.csv", settings=settings)
    assert any("is 'SMILSE' meant" in fault for fault in caught.value.faults)


def test_ids_are_made_free_or_refused(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "My Table (1).csv"
    path.write_text(csv_text())
    ids = [import_file(path, settings=settings).status.id for _ in range(2)]
    assert ids == ["my-table-1", "my-table-1-2"]
    for taken in ("my-table-1", "op2"):
        with pytest.raises(DataError, match=f"There is a data set '{taken}' already"):
            import_file(path, id=taken, settings=settings)
    for bad in ("../x", "A", "", "a/b", ".x", "x" * 65):
        with pytest.raises(DataError, match="cannot be a data set's id"):
            import_file(path, id=bad, settings=settings)


def test_words_of_the_user_are_kept(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(csv_text())
    report = import_file(
        tmp_path / "t.csv",
        id="mine",
        label="My screen",
        organism="human",
        target="log2 fold change",
        settings=settings,
    )
    assert (report.status.label, report.status.organism) == ("My screen", "human")
    assert report.status.target == "log2 fold change"
    assert load_perturbation("mine", settings).target == "log2 fold change"


def test_too_large_a_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(csv_text().encode() + b" " * 1_000_001)
    settings = load_settings(workspace=tmp_path / "w", upload_limit_mb=1)
    with pytest.raises(DataError, match="more than the limit of 1 MB"):
        import_file(path, settings=settings)


def test_a_small_file_that_unpacks_to_a_huge_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(csv_text().encode() + b" " * 2_000_000))
    settings = load_settings(workspace=tmp_path / "w", upload_limit_mb=1)
    with pytest.raises(DataError, match="unpacks to more than 1 MB"):
        import_file(path, settings=settings)


def test_an_h5ad_cannot_pull_in_another_file(settings: Settings, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["numbers"] = np.ones((2, 3))
    (tmp_path / "raw.bin").write_bytes(np.ones((2, 3)).tobytes())

    def link(file: h5py.File) -> None:
        file["layers/counts"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "numbers")

    def raw_storage(file: h5py.File) -> None:
        external = [(str(tmp_path / "raw.bin"), 0, 48)]
        file.create_dataset("layers/counts", (2, 3), np.float64, external=external)

    def virtual(file: h5py.File) -> None:
        layout = h5py.VirtualLayout((2, 3), np.float64)
        layout[:] = h5py.VirtualSource(str(tmp_path / "secret.h5"), "numbers", (2, 3))
        file.create_virtual_dataset("layers/counts", layout)

    for number, refer in enumerate((link, raw_storage, virtual)):
        path = tmp_path / f"c{number}.h5ad"
        anndata.AnnData(np.ones((2, 3), dtype=np.float32)).write_h5ad(path)
        with h5py.File(path, "a") as file:
            refer(file)
        with pytest.raises(DataError, match=f"'layers/counts' of c{number}.h5ad refers to another"):
            import_file(path, settings=settings)


def test_missing_files_and_folders_are_named(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nothing\.csv does not exist"):
        import_file(tmp_path / "nothing.csv", settings=settings)
    with pytest.raises(DataError, match="is a folder"):
        import_file(tmp_path, settings=settings)
    with pytest.raises(DataError, match="'table' is no kind"):
        import_file(tmp_path, kind="table", settings=settings)


def test_cells_from_a_text_table(settings: Settings, tmp_path: Path) -> None:
    counts = np.array([[0, 3, 1], [2, 0, 5]])
    table = pd.DataFrame(counts, columns=["INS", "GCG", "SST"], index=["c1", "c2"])
    table.insert(0, "label", ["alpha", "beta"])
    table.to_csv(tmp_path / "cells.csv")
    report = import_file(tmp_path / "cells.csv", settings=settings)
    cells = load_cells(report.status.id, settings)
    assert report.status.kind == "cells" and report.status.organism == "human"
    np.testing.assert_array_equal(cells.X.toarray(), counts)
    assert list(cells.obs_names) == ["c1", "c2"]
    assert cells.obs["label"].tolist() == ["alpha", "beta"]


def test_cells_from_h5ad(settings: Settings, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    counts = sparse.csr_matrix(rng.poisson(0.5, size=(20, 30)).astype(np.float32))
    cells = anndata.AnnData(counts, var=pd.DataFrame(index=pd.Index([f"Gn{i}" for i in range(30)])))
    cells.obs["label"] = ["a", "b"] * 10
    cells.write_h5ad(tmp_path / "c.h5ad")
    report = import_file(tmp_path / "c.h5ad", settings=settings)
    back = load_cells("c", settings)
    assert (counts != back.X).nnz == 0
    assert (report.status.n_rows, report.status.n_vars) == (20, 30)
    assert report.status.organism == "mouse"


@pytest.mark.parametrize("name", ["kang_pbmc_ifnb", "pbmc_facs", "celltypist_sample"])
def test_real_cells(settings: Settings, shared_data: Path, name: str) -> None:
    report = import_file(shared_data / f"{name}.h5ad", settings=settings)
    source = anndata.read_h5ad(shared_data / f"{name}.h5ad")
    assert (report.status.n_rows, report.status.n_vars) == source.shape
    assert report.status.organism == "human"
    assert (load_cells(report.status.id, settings).X != source.X).nnz == 0


def test_a_simulated_table_stays_labelled_after_export_and_import(
    settings: Settings, tmp_path: Path
) -> None:
    table = validate(RawTable(frame())).table("made", simulated=True, meta={})
    path = write_competition_parquet(table, tmp_path / "de_train.parquet")
    report = import_file(path, settings=settings)
    assert report.status.simulated and load_perturbation(report.status.id, settings).simulated
    assert "The file says that its values were simulated." in report.understood
    frame().to_parquet(path)
    assert not import_file(path, settings=settings).status.simulated


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=8)
NAMES = st.lists(TEXT, min_size=2, max_size=5, unique=True)


@given(
    names=NAMES,
    compounds=st.lists(TEXT, min_size=1, max_size=5),
    value=st.floats(-1e30, 1e30),
    separator=st.sampled_from([",", "\t", ";", "|"]),
    mark=st.booleans(),
    packed=st.booleans(),
)
def test_text_tables_come_back_as_written(
    tmp_path_factory: pytest.TempPathFactory,
    names: list[str],
    compounds: list[str],
    value: float,
    separator: str,
    mark: bool,
    packed: bool,
) -> None:
    path = tmp_path_factory.mktemp("text") / "t.csv"
    table = pd.DataFrame({name: value + np.arange(len(compounds)) for name in names[1:]})
    table.insert(0, names[0], [f"x{compound}" for compound in compounds])
    content = table.to_csv(index=False, sep=separator, quoting=csv.QUOTE_ALL).encode()
    content = b"\xef\xbb\xbf" * mark + content
    path.write_bytes(gzip.compress(content) if packed else content)
    found, dialect = read_delimited(path)
    assert dialect.separator == separator and dialect.gzipped == packed
    assert list(found.columns) == [name.strip() for name in names]
    assert found.iloc[:, 0].tolist() == table.iloc[:, 0].tolist()
    np.testing.assert_allclose(found.iloc[:, 1:], table.iloc[:, 1:], rtol=1e-12)


def test_one_gene_is_read_without_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    frame().to_parquet(path)
    content = bytearray(path.read_bytes())
    only = read_competition_table(path, genes=["TP53", "CD69"])
    assert list(only.columns[-2:]) == ["TP53", "CD69"]
    np.testing.assert_allclose(only["CD69"], frame()["CD69"], rtol=1e-6)
    # Spoil the bytes of another gene: only who reads it may notice.
    import pyarrow.parquet as pq

    chunk = pq.ParquetFile(path).metadata.row_group(0).column(list(frame()).index("ZZEF1"))
    start = chunk.dictionary_page_offset or chunk.data_page_offset
    content[start : start + chunk.total_compressed_size] = b"\xff" * chunk.total_compressed_size
    path.write_bytes(bytes(content))
    pd.testing.assert_frame_equal(read_competition_table(path, genes=["TP53", "CD69"]), only)
    with pytest.raises(DataError, match="damaged"):
        read_competition_table(path)
    with pytest.raises(DataError, match="no gene 'CD96'; did you mean 'CD69'"):
        read_competition_table(path, genes=["CD96"])


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz"])
def test_carriage_returns_further_down_are_said(
    settings: Settings, tmp_path: Path, name: str
) -> None:
    """They let pandas' parser crash, or take all memory."""
    path = tmp_path / name
    lines = "SMILES,sm_name,cell_type,G1\nCCO,a,T,0.1\nCCC,b,T,0.2\n"
    content = (lines + "CCN\rc\r ,0.3\n").encode()
    path.write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    with pytest.raises(DataError, match="carriage returns inside its lines"):
        import_file(path, settings=settings)
