from __future__ import annotations

import json
import os
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest

from core.data import (
    DATASETS,
    DataSet,
    get_dataset,
    list_datasets,
    load_cells,
    load_perturbation,
    prepare,
    remove,
    save_perturbation,
    store,
)
from core.data.providers.simulation import Simulation
from core.data.registry import RawTable, register
from core.data.table import PerturbationTable
from core.data.validation import validate
from core.errors import DataError
from core.settings import Settings
from tests.data.tables import GENES, frame


def table(id: str = "mine", seed: int = 0) -> PerturbationTable:
    return validate(RawTable(frame(seed))).table(id, meta={"label": "Mine", "citation": "Me."})


class Files:
    """A provider of a test's own: counts its calls, and may fail half-way."""

    source = "a test"

    def __init__(self, path: Path) -> None:
        self.path = path
        self.calls = 0

    def fetch(self, settings: Settings, on_progress: Any) -> dict[str, Path]:
        self.calls += 1
        on_progress(1, 1, "Fetching")
        return {"file": self.path}


def read(files: Any, on_progress: Any) -> RawTable:
    return RawTable(pd.read_parquet(files["file"]), notes=["Read by a test."])


@pytest.fixture
def entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DataSet:
    """A registered data set that is gone after the test."""
    DATASETS.names()
    monkeypatch.setattr(DATASETS, "_entries", dict(DATASETS._entries))
    frame().to_parquet(tmp_path / "t.parquet")
    return register(
        DataSet(
            id="test-set",
            label="Test set",
            kind="perturbation",
            help="Of a test.",
            organism="human",
            shape="6 pairs × 4 genes",
            size_mb=1.5,
            licence="CC0",
            citation="Nobody.",
            homepage="",
            provider=Files(tmp_path / "t.parquet"),
            reader=read,
            expected={"n_rows": 6, "n_vars": 4},
        )
    )


def test_a_table_comes_back_as_it_was_stored(settings: Settings) -> None:
    original = replace(
        table(),
        truth=np.ones((6, 4), dtype=np.float32),
        unmeasured=pd.DataFrame({"cell_type": ["T"], "sm_name": ["x"], "split": ["public_test"]}),
    )
    status = save_perturbation(original, settings)
    loaded = load_perturbation("mine", settings)
    pd.testing.assert_frame_equal(loaded.obs, original.obs)
    assert list(loaded.genes) == list(GENES)
    np.testing.assert_array_equal(loaded.values, original.values)
    assert loaded.values_by_gene is not None and loaded.truth is not None
    np.testing.assert_array_equal(loaded.values_by_gene, original.values.T)
    np.testing.assert_array_equal(loaded.truth, original.truth)
    pd.testing.assert_frame_equal(loaded.unmeasured, original.unmeasured)
    np.testing.assert_array_equal(loaded.gene("CD69"), original.values[:, 1])
    assert loaded.content_hash == original.content_hash == status.content_hash
    assert (loaded.target, loaded.simulated) == (original.target, False)
    assert loaded.meta["citation"] == "Me." and status.label == "Mine"


def test_values_are_read_only_memory_maps(settings: Settings) -> None:
    save_perturbation(table(), settings)
    loaded = load_perturbation("mine", settings)
    assert isinstance(loaded.values, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        loaded.values[0, 0] = 1


def test_nothing_pickled_is_ever_loaded(settings: Settings) -> None:
    save_perturbation(table(), settings)
    path = settings.datasets_folder / "mine" / store.VALUES
    np.save(path, np.array([[{}]], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="'mine' is damaged"):
        load_perturbation("mine", settings)


@pytest.mark.parametrize("name", [store.VALUES, store.OBS, store.GENES, store.BY_GENE])
@pytest.mark.parametrize("how", ["cut", "missing"])
def test_a_damaged_folder_is_said(settings: Settings, name: str, how: str) -> None:
    save_perturbation(table(), settings)
    path = settings.datasets_folder / "mine" / name
    if how == "cut":
        path.write_bytes(path.read_bytes()[:-60])
    else:
        path.unlink()
    with pytest.raises(DataError, match=r"'mine' is damaged .*: prepare or import it again"):
        load_perturbation("mine", settings)


def test_parts_that_do_not_fit_are_said(settings: Settings) -> None:
    save_perturbation(table(), settings)
    np.save(settings.datasets_folder / "mine" / store.VALUES, np.ones((5, 4), dtype=np.float32))
    with pytest.raises(DataError, match=r"values are \(5, 4\), \(6, 4\) are expected"):
        load_perturbation("mine", settings)


def test_a_broken_meta_file_hides_the_set(settings: Settings) -> None:
    save_perturbation(table(), settings)
    meta = settings.datasets_folder / "mine" / store.META
    for content in ("{", "[]", json.dumps({"format": 99})):
        meta.write_text(content)
        assert all(status.id != "mine" for status in list_datasets(settings))


def test_preparing_fetches_once(settings: Settings, entry: DataSet) -> None:
    assert not get_dataset("test-set", settings).ready
    seen: list[str] = []
    status = prepare("test-set", settings=settings, on_progress=lambda *step: seen.append(step[2]))
    assert status.ready and (status.n_rows, status.n_vars) == (6, 4)
    assert status.warnings == () and status.disk_mb and status.created
    assert seen == ["Fetching", "Checking Test set", "Storing Test set"]
    prepare("test-set", settings=settings)
    assert entry.provider.calls == 1  # type: ignore[union-attr]
    again = prepare("test-set", settings=settings, force=True)
    assert entry.provider.calls == 2  # type: ignore[union-attr]
    assert again.content_hash == status.content_hash
    loaded = load_perturbation("test-set", settings)
    assert loaded.meta["licence"] == "CC0" and loaded.meta["source"] == "a test"


def test_what_differs_from_the_published_facts_is_said(settings: Settings, entry: DataSet) -> None:
    frame().iloc[:4].to_parquet(entry.provider.path)  # type: ignore[union-attr]
    status = prepare("test-set", settings=settings)
    assert "The files hold 4 pairs where 6 are published." in status.warnings


@pytest.mark.parametrize("stage", ["to_parquet", "finish"])
def test_an_interrupted_prepare_leaves_nothing(
    settings: Settings, entry: DataSet, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    before = prepare("test-set", settings=settings)

    def stop(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        if stage == "to_parquet":
            patch.setattr(pd.DataFrame, "to_parquet", stop)
        else:
            patch.setattr(store, "_finish", stop)
        with pytest.raises(KeyboardInterrupt):
            prepare("test-set", settings=settings, force=True)
        remove_first = settings.datasets_folder / "test-set"
        assert remove_first.is_dir()
    assert [path.name for path in settings.datasets_folder.iterdir()] == ["test-set"]
    assert load_perturbation("test-set", settings).content_hash == before.content_hash


def test_a_folder_left_by_a_killed_process_is_swept_later(settings: Settings) -> None:
    root = settings.datasets_folder
    old, young = root / ".new-aaaa-mine", root / ".new-bbbb-mine"
    for folder in (old, young):
        folder.mkdir(parents=True)
        (folder / store.OBS).write_text("half")
    os.utime(old, (time.time() - 2 * store.STALE,) * 2)
    assert not any(status.imported for status in list_datasets(settings))
    save_perturbation(table(), settings)
    assert not old.exists() and young.exists()


def test_many_writers_at_once_leave_one_whole_set(settings: Settings) -> None:
    tables = [table(seed=seed) for seed in range(4)]
    failures: list[Exception] = []

    def write(one: PerturbationTable) -> None:
        try:
            for _ in range(5):
                save_perturbation(one, settings)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(one,)) for one in tables]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    loaded = load_perturbation("mine", settings)
    winner = next(one for one in tables if one.content_hash == loaded.content_hash)
    np.testing.assert_array_equal(loaded.values, winner.values)
    assert [path.name for path in settings.datasets_folder.iterdir()] == ["mine"]


def test_loading_says_how_to_prepare(settings: Settings, entry: DataSet) -> None:
    with pytest.raises(DataError, match="run 'python -m core data fetch test-set'"):
        load_perturbation("test-set", settings)
    with pytest.raises(DataError, match="no data set called 'tset-set'; did you mean 'test-set'"):
        load_perturbation("tset-set", settings)
    with pytest.raises(DataError, match="no data set called 'zzz'; known: "):
        prepare("zzz", settings=settings)


def test_the_wrong_kind_is_said(settings: Settings) -> None:
    save_perturbation(table(), settings)
    with pytest.raises(DataError, match="'mine' holds a perturbation table, not cells"):
        load_cells("mine", settings)
    cells = anndata.AnnData(np.ones((2, 3), dtype=np.float32))
    store.write_cells("some-cells", cells, settings, {"content_hash": "x"})
    with pytest.raises(DataError, match="holds cells, not a perturbation table"):
        load_perturbation("some-cells", settings)
    (settings.datasets_folder / "some-cells" / store.H5AD).write_bytes(b"x" * 100)
    with pytest.raises(DataError, match="'some-cells' is damaged"):
        load_cells("some-cells", settings)


def test_removing(settings: Settings, entry: DataSet) -> None:
    save_perturbation(table(), settings)
    remove("mine", settings)
    assert list(settings.datasets_folder.iterdir()) == []
    with pytest.raises(DataError, match="no data set called 'mine'"):
        remove("mine", settings)
    with pytest.raises(DataError, match="'test-set' is not prepared"):
        remove("test-set", settings)
    with pytest.raises(DataError, match="cannot be a data set's id"):
        remove("../runs", settings)


def test_an_imported_set_cannot_be_prepared(settings: Settings) -> None:
    save_perturbation(table(), settings)
    with pytest.raises(DataError, match="was imported"):
        prepare("mine", settings=settings)


def test_a_simulation_is_labelled_so_whatever_it_says(
    settings: Settings, entry: DataSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = replace(entry, id="made", reader=None, simulated=True)
    made = replace(made, provider=Simulation("tests.data.test_workspace", "simulated_badly"))
    register(made)
    status = prepare("made", settings=settings)
    assert status.simulated and load_perturbation("made", settings).simulated


def simulated_badly(on_progress: Any) -> PerturbationTable:
    """A simulation that forgot to say that it is one."""
    return table("another-id")


def test_listing_is_quick_and_reads_only_meta_files(settings: Settings) -> None:
    for i in range(30):
        save_perturbation(table(f"set-{i}"), settings)
        (settings.datasets_folder / f"set-{i}" / store.VALUES).unlink()
    start = time.perf_counter()
    statuses = list_datasets(settings)
    assert time.perf_counter() - start < 0.5
    assert sum(status.imported for status in statuses) == 30


def test_loading_the_full_size_is_quick(settings: Settings) -> None:
    n, g = 614, 18_211
    rng = np.random.default_rng(0)
    obs = pd.DataFrame(
        {
            "cell_type": "T",
            "sm_name": [f"c{i}" for i in range(n)],
            "sm_lincs_id": "",
            "SMILES": "C",
            "control": False,
            "split": "train",
        }
    )
    big = PerturbationTable(
        id="big",
        obs=obs,
        genes=pd.Index([f"G{i}" for i in range(g)]),
        values=rng.normal(size=(n, g)).astype(np.float32),
        target="z-score",
        simulated=True,
        content_hash="x",
    )
    save_perturbation(big, settings)
    load_perturbation("big", settings)
    start = time.perf_counter()
    loaded = load_perturbation("big", settings)
    loaded.gene("G777")
    assert time.perf_counter() - start < 0.3
