from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from core.data import get_dataset, load_cells, selections, store
from core.data.cells import cells_hash
from core.errors import DataError
from core.settings import Settings, load_settings

HASH = "ab" * 32


def mask(n: int = 20, *chosen: int) -> np.ndarray:
    found = np.zeros(n, dtype=bool)
    found[list(chosen)] = True
    return found


def test_what_is_saved_is_loaded(settings: Settings) -> None:
    wanted = mask(20, 0, 3, 19)
    kept = selections.save_selection(HASH, "  T  cells ", wanted, how="CD3D > 0", settings=settings)
    assert (kept.name, kept.n_selected, kept.n_cells) == ("T cells", 3, 20)
    found, members = selections.load_selection(HASH, "T cells", settings)
    assert found == kept and (members == wanted).all()
    assert selections.list_selections(HASH, settings) == [kept]
    assert selections.list_selections("cd" * 32, settings) == []


@given(st.lists(st.booleans(), min_size=1, max_size=200).filter(any), st.text(max_size=90))
def test_any_members_and_any_name(
    tmp_path_factory: pytest.TempPathFactory, chosen: list[bool], name: str
) -> None:
    settings = load_settings(workspace=tmp_path_factory.mktemp("selections"), device="cpu")
    try:
        kept = selections.save_selection(HASH, name, np.array(chosen), settings=settings)
    except DataError as error:
        assert str(error).endswith(".")
        return
    assert (selections.load_selection(HASH, kept.name, settings)[1] == chosen).all()
    files = list((settings.workspace / "selections").rglob("*.json"))
    assert [f.parent.name for f in files] == [HASH]  # no name leads out of its folder


def test_names_are_taken_once_unless_replaced(settings: Settings) -> None:
    selections.save_selection(HASH, "a", mask(20, 1), settings=settings)
    with pytest.raises(DataError, match="'a' already"):
        selections.save_selection(HASH, "a", mask(20, 2), settings=settings)
    selections.save_selection(HASH, "a", mask(20, 2), replace=True, settings=settings)
    assert selections.load_selection(HASH, "a", settings)[1].nonzero()[0].tolist() == [2]
    with pytest.raises(DataError, match="no cell"):
        selections.save_selection(HASH, "b", mask(20), settings=settings)


def test_rename_and_delete(settings: Settings) -> None:
    for i, name in enumerate(("first", "second", "third")):
        selections.save_selection(HASH, name, mask(20, i), settings=settings)
    selections.rename_selection(HASH, "second", "middle", settings)
    names = [s.name for s in selections.list_selections(HASH, settings)]
    assert names == ["first", "middle", "third"]
    with pytest.raises(DataError, match="'third' already"):
        selections.rename_selection(HASH, "first", "third", settings)
    selections.delete_selection(HASH, "middle", settings)
    for act in (selections.delete_selection, selections.load_selection):
        with pytest.raises(DataError, match="no selection called 'middle'"):
            act(HASH, "middle", settings)


@pytest.mark.parametrize("field", ["members", "n_cells", "n_selected", "name"])
def test_a_damaged_file_is_said_to_be_damaged(settings: Settings, field: str) -> None:
    selections.save_selection(HASH, "a", mask(20, 1), settings=settings)
    (path,) = (settings.workspace / "selections" / HASH).glob("*.json")
    content = json.loads(path.read_text())
    content[field] = {"members": "AAAA", "n_cells": 21_000, "n_selected": 5}.get(field)
    if content[field] is None:
        del content[field]
    path.write_text(json.dumps(content))
    with pytest.raises(DataError, match="damaged"):
        selections.load_selection(HASH, "a", settings)


def test_a_strange_hash_reaches_no_other_folder(settings: Settings) -> None:
    with pytest.raises(DataError, match="content hash"):
        selections.list_selections("../datasets", settings)


def stored(settings: Settings, backed: Path | None = None) -> AnnData:
    rng = np.random.default_rng(0)
    obs = pd.DataFrame({"kind": ["x", "y"] * 10}, index=[f"c{i}" for i in range(20)])
    var = pd.DataFrame(index=["CD69", "MS4A1", "ACTB"])
    cells = AnnData(sparse.csr_matrix(rng.poisson(2, (20, 3)).astype(np.float32)), obs, var)
    cells.obsm["X_umap"] = rng.normal(size=(20, 2)).astype(np.float32)
    meta = {"content_hash": cells_hash(cells), "values": "counts", "licence": "CC BY 4.0"}
    store.write_cells("mine", cells, settings, {**meta, "simulated": True, "organism": "human"})
    return cells


@pytest.mark.parametrize("backed", [False, True])
def test_a_selection_becomes_a_data_set(settings: Settings, backed: bool) -> None:
    import anndata

    cells = stored(settings)
    status = get_dataset("mine", settings)
    file = store.folder_of("mine", settings) / store.H5AD
    source = anndata.read_h5ad(file, backed="r") if backed else cells
    chosen = mask(20, 2, 5, 7)
    made = selections.save_as_dataset(
        status, source, chosen, id="mine-part", label="Part", how="lasso", settings=settings
    )
    part = load_cells("mine-part", settings)
    assert (made.n_rows, made.simulated, made.licence) == (3, True, "CC BY 4.0")
    assert "3 were selected: lasso" in made.source
    assert list(part.obs_names) == ["c2", "c5", "c7"]
    assert (part.X.toarray() == cells.X[chosen].toarray()).all()
    assert (part.obsm["X_umap"] == cells.obsm["X_umap"][chosen]).all()
    with pytest.raises(DataError, match="already"):
        selections.save_as_dataset(
            status, source, chosen, id="mine-part", label="", settings=settings
        )
    with pytest.raises(DataError, match="No cell"):
        selections.save_as_dataset(
            status, source, mask(20), id="empty", label="", settings=settings
        )
