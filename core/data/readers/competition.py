"""The OP2 competition's table: its parquet and h5ad layouts, read with column projection.

Layout: ``cell_type, sm_name, sm_lincs_id, SMILES, control``, then one float64 column a gene
(Open Problems – Single-Cell Perturbations, NeurIPS 2023).
"""

from __future__ import annotations

import difflib
import json
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from core.data import facts
from core.data.columns import understand
from core.data.faults import first_line
from core.data.providers.archives import extract_member, find_member
from core.data.readers.hdf5 import is_hdf5, open_h5
from core.data.registry import RawArrays, RawTable
from core.data.table import OBS_COLUMNS, TRAIN, PerturbationTable
from core.errors import DataError
from core.progress import OnProgress

if TYPE_CHECKING:
    import pyarrow.parquet as pq

SIGNED_LOG_P = "signed −log10 p"
#: Descriptions that are read beside the genes where the file has them.
DESCRIPTIONS = (*OBS_COLUMNS, "split", "id")
#: Key of the parquet metadata in which our own files say where they come from.
ORIGIN = b"perturbscope"


def open_parquet(path: Path) -> pq.ParquetFile:
    """Open a parquet file, or say in one sentence why not.

    Raises
    ------
    DataError
        Where the file is missing, empty, cut short or no parquet.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.is_file():
        raise DataError(f"There is no file {path}.")
    if path.stat().st_size == 0:
        raise DataError(f"The file {path.name} is empty.")
    with path.open("rb") as file:
        head = file.read(4)
        file.seek(max(0, path.stat().st_size - 4))
        tail = file.read(4)
    if head != b"PAR1":
        raise DataError(f"The file {path.name} is no parquet file.")
    if tail != b"PAR1":
        raise DataError(
            f"The parquet file {path.name} is cut short: its last bytes are missing, so copy or "
            "download it again."
        )
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(f"The parquet file {path.name} is damaged: {first_line(error)}.") from error


def read_parquet(path: Path, columns: list[str] | None = None) -> pd.DataFrame:
    """A parquet table as pandas frame; duplicated column names are kept as they are."""
    import pyarrow as pa

    file = open_parquet(path)
    try:
        return file.read(columns=columns, use_pandas_metadata=False).to_pandas(ignore_metadata=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(f"The parquet file {path.name} is damaged: {first_line(error)}.") from error


def _choose(known: Sequence[str], genes: Iterable[str], path: Path) -> list[str]:
    present = set(known)
    chosen = [genes] if isinstance(genes, str) else list(genes)
    for gene in chosen:
        if gene not in present:
            near = difflib.get_close_matches(gene, known, n=1)
            hint = f"; did you mean '{near[0]}'?" if near else "."
            raise DataError(f"The table {path.name} has no gene '{gene}'{hint}")
    return chosen


def read_competition_table(path: Path, genes: Iterable[str] | None = None) -> pd.DataFrame:
    """Read the competition's table, or only some of its genes.

    Parameters
    ----------
    path
        ``de_train.parquet`` or an h5ad in the OP2 layout (``X`` = signed −log10 p).
    genes
        Gene symbols to read; ``None`` reads all. Other columns are not touched on disk.

    Returns
    -------
    pandas.DataFrame
        The pairs' descriptions, then genes as float32, ``(n_pairs, n_descriptions + n_genes)``.

    Raises
    ------
    DataError
        Where the file is empty, cut short, of another format, or lacks a gene.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"There is no file {path}.")
    if is_hdf5(path):
        arrays = read_op2_h5ad(path, genes)
        values = pd.DataFrame(arrays.values, columns=pd.Index(arrays.genes))
        return pd.concat([arrays.obs.reset_index(drop=True), values], axis=1)
    file = open_parquet(path)
    names = file.schema_arrow.names
    wanted = None
    if genes is not None:
        described = [name for name in DESCRIPTIONS if name in names]
        wanted = [*described, *_choose(names, genes, path)]
    frame = read_parquet(path, wanted)
    if wanted is not None:
        frame = frame[wanted]
    floats = frame.select_dtypes("float64").columns
    return frame.astype(dict.fromkeys(floats, np.float32))


def read_op2_h5ad(path: Path, genes: Iterable[str] | None = None) -> RawArrays:
    """Read pairs and ``X`` of an h5ad in the OP2 layout, or only some genes of it."""
    from anndata.io import read_elem

    with open_h5(path) as file:
        for part in ("X", "obs", "var"):
            if part not in file:
                raise DataError(f"The h5ad file {path.name} has no {part}.")
        obs: pd.DataFrame = read_elem(file["obs"]).reset_index(drop=True)
        known = [str(name) for name in read_elem(file["var"]).index]
        element = file["X"]
        dense = hasattr(element, "shape")
        if genes is None:
            chosen, block = known, read_elem(element)
        else:
            chosen = _choose(known, genes, path)
            at = np.array([known.index(gene) for gene in chosen])
            if dense:
                order, back = np.unique(at, return_inverse=True)
                block = element[:, order][:, back]
            else:
                block = read_elem(element)[:, at]
    if not isinstance(block, np.ndarray):
        block = block.toarray()
    return RawArrays(obs, chosen, block.astype(np.float32, copy=False), target=SIGNED_LOG_P)


def read_op2(files: Mapping[str, Path], on_progress: OnProgress) -> RawArrays:
    """The competition's train file and test truth as one table.

    The test file's row order is the leaderboard's ``id`` 0…254; its ``split`` says
    ``public_test`` or ``private_test``. In the train file ``split == "control"`` marks the two
    positive controls.
    """
    parts = []
    for name in ("train", "test"):
        on_progress(0, 0, f"Reading {files[name].name}")
        part = read_op2_h5ad(files[name])
        if "split" not in part.obs:
            raise DataError(f"The file {files[name].name} has no obs column 'split'.")
        if name == "test":
            part.obs["id"] = np.arange(len(part.obs))
        parts.append(part)
    train, test = parts
    if train.genes != test.genes:
        raise DataError(
            f"Train and test files differ in their genes ({len(train.genes):,} and "
            f"{len(test.genes):,}, or another order)."
        )
    for part in parts:
        part.obs["control"] = part.obs["split"].astype(str) == "control"
    shared = [name for name in train.obs.columns if name in test.obs.columns]
    obs = pd.concat([part.obs[shared].astype(object) for part in parts], ignore_index=True)
    obs["id"] = np.concatenate([np.arange(len(train.obs)), test.obs["id"].to_numpy()])
    obs["moa"] = _mechanisms(obs["sm_name"])
    values = np.concatenate([train.values, test.values])
    return RawArrays(obs, train.genes, values, target=SIGNED_LOG_P)


def read_scape(files: Mapping[str, Path], on_progress: OnProgress) -> RawTable:
    """``de_train.parquet`` and ``id_map.csv`` of ScAPE's zip; test responses are not in it."""
    archive = files["zip"]
    on_progress(0, 0, f"Unpacking {archive.name}")
    try:
        with zipfile.ZipFile(archive) as file:
            tables = {
                wanted: extract_member(
                    archive, find_member(file.namelist(), wanted, archive), archive.parent
                )
                for wanted in ("de_train.parquet", "id_map.csv")
            }
    except zipfile.BadZipFile as error:
        raise DataError(f"The file {archive.name} is no zip file or cut short.") from error
    frame = read_parquet(tables["de_train.parquet"])
    id_map = pd.read_csv(tables["id_map.csv"])
    for path in tables.values():
        path.unlink()
    missing = {"id", "cell_type", "sm_name"} - set(id_map.columns)
    if missing:
        raise DataError(f"id_map.csv in {archive.name} has no column '{min(missing)}'.")
    published = facts.op2_pairs().query("split != @TRAIN")
    unmeasured = id_map[["id", "cell_type", "sm_name"]].merge(
        published, on=["id", "cell_type", "sm_name"], how="left"
    )
    unmeasured["split"] = unmeasured["split"].fillna("test")
    if "sm_name" in frame:
        frame["moa"] = _mechanisms(frame["sm_name"])
    return RawTable(frame, target=SIGNED_LOG_P, unmeasured=unmeasured)


def _mechanisms(names: pd.Series) -> pd.Series:
    """Published mechanisms of action by compound name; empty where none is recorded."""
    known = facts.op2_compounds().set_index("sm_name")["moa"]
    return names.astype(str).map(known).fillna("").astype(str)


def write_competition_parquet(
    table: PerturbationTable, path: Path, splits: Sequence[str] = (TRAIN,)
) -> Path:
    """Write a table in the layout of ``de_train.parquet``: five descriptions, float64 genes.

    The file's metadata note whether the values were simulated, so that an import can say so.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = np.flatnonzero(table.obs["split"].isin(splits).to_numpy())
    if not rows.size:
        raise DataError(f"The data set '{table.id}' has no pairs in {', '.join(splits)}.")
    obs = table.obs.iloc[rows]
    arrays: list[Any] = [pa.array(obs[name].to_numpy()) for name in OBS_COLUMNS]
    values = np.asarray(table.values[rows], dtype=np.float64).T
    arrays += [pa.array(np.ascontiguousarray(gene)) for gene in values]
    names = [*OBS_COLUMNS, *map(str, table.genes)]
    written = pa.Table.from_arrays(arrays, names=names)
    origin = {"id": table.id, "target": table.target, "simulated": table.simulated}
    pq.write_table(written.replace_schema_metadata({ORIGIN: json.dumps(origin)}), path)
    return path


def parquet_origin(path: Path) -> dict[str, Any]:
    """What :func:`write_competition_parquet` noted in the file; empty for files of others."""
    metadata = open_parquet(path).schema_arrow.metadata or {}
    try:
        origin = json.loads(metadata.get(ORIGIN, b"{}"))
    except ValueError:
        return {}
    return origin if isinstance(origin, dict) else {}


def looks_like_op2(path: Path) -> bool:
    """Whether an h5ad describes (cell type, compound) pairs rather than cells."""
    with open_h5(path) as file:
        names = [str(name) for name in file["obs"]] if "obs" in file else []
        n_rows = _length(file["obs"]) if "obs" in file else 0
    roles = understand(pd.DataFrame(columns=pd.Index(names))).roles
    return {"sm_name", "SMILES"} <= set(roles) and n_rows < 20_000


def _length(group: Any) -> int:
    index = group[group.attrs["_index"]] if "_index" in group.attrs else None
    return len(index) if index is not None else 0
