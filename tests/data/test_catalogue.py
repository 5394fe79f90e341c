from __future__ import annotations

import ast
import gzip
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest

from core.data import DATASETS, DataSet, list_datasets, load_cells, load_perturbation, prepare
from core.data.providers.url import Urls
from core.data.store import check_id
from core.settings import PROJECT_ROOT, Settings, load_settings
from tests.data.http_server import Served, serve
from tests.data.r_writer import dgcmatrix, write_rdata
from tests.data.tables import GENES, frame
from tests.data.test_competition import op2_file

ENTRIES = [entry.value for entry in DATASETS]
WANTED = {
    *("op2", "op2-demo", "op2-scape", "op2-single-cells"),
    *("baron-mouse", "baron-human", "baron-geo-human", "baron-geo-mouse"),
    *("grun", "muraro", "lawlor", "segerstolpe"),
    *("pbmc68k", "granja2019", "panglaodb-srs2119548", "l1000-consensus"),
}


def test_every_wanted_set_is_registered() -> None:
    assert {entry.id for entry in ENTRIES} >= WANTED


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.id)
def test_every_entry_says_what_it_is(entry: DataSet) -> None:
    assert check_id(entry.id) == entry.id
    for words in (entry.label, entry.help, entry.shape, entry.licence, entry.citation):
        assert words.strip() == words and words
    assert re.search(r"\d", entry.citation), "a citation has a year or an accession"
    assert entry.help.endswith(".") and entry.provider.source
    assert entry.homepage == "" or entry.homepage.startswith("https://")
    assert entry.simulated == (entry.reader is None) == ("simulat" in entry.label.lower())
    assert entry.organism in {"human", "mouse"}


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.id)
def test_downloads_are_named_apart_and_encrypted(entry: DataSet) -> None:
    if isinstance(entry.provider, Urls):
        assert entry.size_mb > 0
        for file in entry.provider.files.values():
            assert urlsplit(file.url).scheme == "https"
            assert re.fullmatch(r"[\w.\-]+", file.name), file.name


def test_one_name_in_the_downloads_folder_means_one_address() -> None:
    addresses: dict[str, str] = {}
    for entry in ENTRIES:
        if isinstance(entry.provider, Urls):
            for file in entry.provider.files.values():
                assert addresses.setdefault(file.name, file.url) == file.url


def test_tables_come_first_and_nothing_is_ready(settings: Settings) -> None:
    statuses = list_datasets(settings)
    kinds = [status.kind for status in statuses]
    assert kinds == sorted(kinds, reverse=True)
    assert statuses[0].id == "op2-demo"
    assert not any(status.ready or status.imported for status in statuses)
    assert [status.id for status in statuses if status.simulated] == ["op2-demo"]


def test_the_demo_is_prepared_and_labelled(settings: Settings) -> None:
    status = prepare("op2-demo", settings=settings)
    assert status.simulated and status.warnings == ()
    table = load_perturbation("op2-demo", settings)
    assert table.simulated and table.truth is not None
    assert (table.n_pairs, table.n_genes) == (869, 18_211)
    assert table.obs["split"].value_counts().to_dict() == {
        "train": 614,
        "public_test": 100,
        "private_test": 155,
    }


def test_the_shared_signatures_are_prepared(settings: Settings, shared_data: Path) -> None:
    assert shared_data.is_dir()
    status = prepare("l1000-consensus", settings=settings)
    assert (status.n_rows, status.n_vars, status.target) == (984, 978, "z-score")
    assert not any("published" in warning for warning in status.warnings)


def test_op2_from_a_mirror_folder(tmp_path: Path) -> None:
    """The whole way of a registered set, with small files in the places of the real ones."""
    folder = tmp_path / "public/neurips-2023-competition/2023-09-14_kaggle_upload"
    folder.mkdir(parents=True)
    splits = {"train": ["train"] * 3 + ["control"], "test": ["public_test", "private_test"]}
    rows = {"train": frame().iloc[:4], "test": frame().iloc[4:]}
    for part, table in rows.items():
        op2_file(folder / f"2023-09-12_de_by_cell_type_{part}.h5ad", table, splits[part])
    settings = load_settings(workspace=tmp_path / "w", mirror=str(tmp_path))
    status = prepare("op2", settings=settings)
    assert status.warnings == (
        "The files hold 6 pairs where 869 are published.",
        "The files hold 4 genes where 18,211 are published.",
    )
    table = load_perturbation("op2", settings)
    assert table.obs["split"].tolist() == ["train"] * 4 + ["public_test", "private_test"]
    assert table.rows(split="private_test").tolist() == [5] and not table.simulated
    np.testing.assert_allclose(table.values, frame()[list(GENES)], rtol=1e-6)


def test_a_panglaodb_sample_from_a_mirror_folder(tmp_path: Path) -> None:
    rows = ["POU5F1_ENSG00000204531.18", "SOX2_ENSG00000181449.3"]
    matrix = dgcmatrix(np.array([[1.0, 0, 3], [0, 2, 0]]), rows, ["a", "b", "c"])
    write_rdata(tmp_path / "SRA553822_SRS2119548.sparse.RData", {"sm": matrix})
    settings = load_settings(workspace=tmp_path / "w", mirror=str(tmp_path))
    status = prepare("panglaodb-srs2119548", settings=settings)
    assert (status.kind, status.n_rows, status.n_vars) == ("cells", 3, 2)
    assert list(load_cells(status.id, settings).var_names) == ["POU5F1", "SOX2"]


def test_islets_from_a_mirror_url(tmp_path: Path) -> None:
    content = gzip.compress(b"\tD2ex_1\tD10_5\nINS__chr11\t1.5\t0\nGCG__chr2\t0\t2\n")
    path = "/m/geo/series/GSE81nnn/GSE81076/suppl/GSE81076_D2_3_7_10_17.txt.gz"
    with serve({path: Served(content)}) as server:
        settings = load_settings(workspace=tmp_path / "w", mirror=f"{server.base}/m")
        status = prepare("grun", settings=settings)
    assert (status.n_rows, status.n_vars, status.organism) == (2, 2, "human")
    assert load_cells("grun", settings).obs["donor"].tolist() == ["D2", "D10"]


def test_the_room_is_entered_without_heavy_furniture() -> None:
    heavy = ("anndata", "scanpy", "rdkit", "torch", "pyarrow", "pooch", "requests", "rdata", "h5py")
    code = f"import core.data, sys; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT_ROOT, capture_output=True, text=True, check=True
    )
    # pandas itself imports pyarrow where it is installed.
    assert set(ast.literal_eval(done.stdout)) <= {"pyarrow"}
