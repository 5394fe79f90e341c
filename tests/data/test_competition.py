from __future__ import annotations

import zipfile
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from scipy import sparse

from core.data import facts, read_competition_table, write_competition_parquet
from core.data.readers.competition import read_op2, read_scape
from core.data.registry import RawTable
from core.data.table import OBS_COLUMNS, PerturbationTable
from core.data.validation import validate
from core.errors import DataError
from core.progress import silent
from tests.data.tables import GENES, frame


def op2_file(path: Path, table: pd.DataFrame, splits: list[str], wrap: type = np.asarray) -> Path:
    """An h5ad in the layout of the competition's own files."""
    obs = table[["cell_type", "sm_name", "sm_lincs_id", "SMILES"]].astype("category")
    obs["split"] = pd.Categorical(splits)
    obs.index = [f"pair{i}" for i in range(len(obs))]
    anndata.AnnData(
        X=wrap(table[list(GENES)].to_numpy(np.float64)),
        obs=obs,
        var=pd.DataFrame(index=pd.Index(GENES)),
    ).write_h5ad(path)
    return path


@pytest.fixture
def op2_files(tmp_path: Path) -> dict[str, Path]:
    table = frame()
    train = table.iloc[:4]
    test = table.iloc[4:]
    return {
        "train": op2_file(tmp_path / "train.h5ad", train, ["train", "train", "control", "control"]),
        "test": op2_file(tmp_path / "test.h5ad", test, ["public_test", "private_test"]),
    }


def test_train_and_test_truth_become_one_table(op2_files: dict[str, Path]) -> None:
    found = validate(read_op2(op2_files, silent))
    assert found.obs["split"].tolist() == ["train"] * 4 + ["public_test", "private_test"]
    assert found.obs["control"].tolist() == [False, False, True, True, False, False]
    assert found.obs["id"].tolist() == [0, 1, 2, 3, 0, 1]
    assert found.target == "signed −log10 p"
    assert list(found.obs.columns[:6]) == [*OBS_COLUMNS, "split"]
    np.testing.assert_allclose(found.values, frame()[list(GENES)], rtol=1e-6)


def test_files_that_do_not_belong_together_are_refused(
    op2_files: dict[str, Path], tmp_path: Path
) -> None:
    renamed = frame().rename(columns={"TP53": "TP63"})
    other = anndata.AnnData(
        X=np.ones((2, 4)),
        obs=renamed.iloc[4:, :4].assign(split="public_test").set_index(pd.Index(["a", "b"])),
        var=pd.DataFrame(index=pd.Index(["A1BG", "CD69", "ZZEF1", "TP63"])),
    )
    other.write_h5ad(tmp_path / "other.h5ad")
    with pytest.raises(DataError, match="differ in their genes"):
        read_op2({**op2_files, "test": tmp_path / "other.h5ad"}, silent)
    del other.obs["split"]
    other.write_h5ad(tmp_path / "other.h5ad")
    with pytest.raises(DataError, match=r"other\.h5ad has no obs column 'split'"):
        read_op2({**op2_files, "test": tmp_path / "other.h5ad"}, silent)


@pytest.mark.parametrize("wrap", [np.asarray, sparse.csr_matrix])
def test_genes_of_an_op2_h5ad_are_projected(tmp_path: Path, wrap: type) -> None:
    path = op2_file(tmp_path / "a.h5ad", frame(), ["train"] * 6, wrap)
    only = read_competition_table(path, genes=["TP53", "A1BG"])
    assert list(only.columns) == [
        *("cell_type", "sm_name", "sm_lincs_id", "SMILES", "split", "TP53", "A1BG")
    ]
    np.testing.assert_allclose(only[["TP53", "A1BG"]], frame()[["TP53", "A1BG"]], rtol=1e-6)
    assert only["TP53"].dtype == np.float32
    with pytest.raises(DataError, match=r"no gene 'TP54'; did you mean 'TP53'\?"):
        read_competition_table(path, genes=["TP54"])


def table() -> PerturbationTable:
    raw = frame().assign(split=["train"] * 3 + ["public_test"] * 2 + ["private_test"])
    return validate(RawTable(raw)).table("t", meta={})


def test_the_competition_layout_is_written_and_read_back(tmp_path: Path) -> None:
    path = write_competition_parquet(table(), tmp_path / "de_train.parquet")
    schema = pq.read_schema(path)
    assert schema.names == [*OBS_COLUMNS, *GENES]
    assert {str(schema.field(gene).type) for gene in GENES} == {"double"}
    assert str(schema.field("control").type) == "bool"
    back = read_competition_table(path)
    expected = frame().iloc[:3]
    pd.testing.assert_frame_equal(
        back[list(OBS_COLUMNS)], expected[list(OBS_COLUMNS)], check_dtype=False
    )
    np.testing.assert_array_equal(back[list(GENES)], table().values[:3])
    both = ("public_test", "private_test")
    write_competition_parquet(table(), path, splits=both)
    assert len(read_competition_table(path)) == 3
    with pytest.raises(DataError, match="has no pairs in nowhere"):
        write_competition_parquet(table(), path, splits=("nowhere",))


def test_a_single_gene_may_be_named_without_a_list(tmp_path: Path) -> None:
    path = write_competition_parquet(table(), tmp_path / "t.parquet")
    assert list(read_competition_table(path, genes="CD69").columns) == [*OBS_COLUMNS, "CD69"]
    assert list(read_competition_table(path, genes=[]).columns) == list(OBS_COLUMNS)


def scape_zip(path: Path, id_map: str) -> Path:
    write_competition_parquet(table(), path.with_name("inner.parquet"))
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(path.with_name("inner.parquet"), "data/de_train.parquet")
        archive.writestr("data/id_map.csv", id_map)
        archive.writestr("__MACOSX/data/._de_train.parquet", "junk")
    path.with_name("inner.parquet").unlink()
    return path


def test_scape_lists_the_pairs_without_response(tmp_path: Path) -> None:
    known = facts.op2_pairs().query("split != 'train'").iloc[0]
    id_map = (
        f"id,cell_type,sm_name\n{known['id']},{known['cell_type']},{known['sm_name']}\n"
        "999,NK cells,Unheard of\n"
    )
    path = scape_zip(tmp_path / "scape-data.zip", id_map)
    raw = read_scape({"zip": path}, silent)
    assert raw.unmeasured is not None
    assert raw.unmeasured["split"].tolist() == [known["split"], "test"]
    assert raw.unmeasured["sm_name"].tolist() == [known["sm_name"], "Unheard of"]
    found = validate(raw)
    assert found.values.shape == (3, 4) and found.unmeasured is not None
    assert [entry.name for entry in tmp_path.iterdir()] == ["scape-data.zip"]


def test_scape_faults(tmp_path: Path) -> None:
    path = scape_zip(tmp_path / "scape-data.zip", "id,cell_type\n1,NK cells\n")
    with pytest.raises(DataError, match=r"id_map\.csv in scape-data\.zip has no column 'sm_name'"):
        read_scape({"zip": path}, silent)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DataError, match="no zip file or cut short"):
        read_scape({"zip": path}, silent)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "")
    with pytest.raises(DataError, match=r"has no member 'de_train\.parquet'"):
        read_scape({"zip": path}, silent)


def test_real_snippets_of_the_competition_table(shared_data: Path, tmp_path: Path) -> None:
    """Rows of the real table, as published in notebooks, in the layout of the real file."""
    snippets = pd.read_csv(shared_data / "op2_de_train_snippets.csv")
    snippets = snippets[snippets["row"] < 5]
    wide = snippets.pivot_table(index=["cell_type", "sm_name"], columns="gene", values="value")
    compounds = facts.op2_compounds().set_index("sm_name")
    obs = wide.index.to_frame(index=False).join(
        compounds[["sm_lincs_id", "SMILES", "control"]], on="sm_name"
    )
    real = pd.concat([obs[list(OBS_COLUMNS)], wide.reset_index(drop=True)], axis=1)
    real.to_parquet(tmp_path / "de_train.parquet")
    found = validate(RawTable(read_competition_table(tmp_path / "de_train.parquet")))
    assert found.values.shape == wide.shape == (5, 25)
    np.testing.assert_allclose(found.values, wide.to_numpy(), rtol=1e-6)
    assert found.target == "signed −log10 p"
