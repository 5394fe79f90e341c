"""From scored chunks to one ranked table: duplicates merged, false-discovery rate, order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from rdkit import Chem

from core.metrics.connectivity import false_discovery_rate
from core.molecules.parse import parse_line
from core.studies.screening import files

#: Molecules whose SMILES is made canonical in the ranked table; the rest keep the text they came
#: with where standardising changed nothing.
CANONICAL_HITS = 200
BATCH = 5000
MapTasks = Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]


@dataclass(frozen=True)
class Merged:
    """Counts of a finished screen."""

    scored: int
    unique: int
    rejected: int
    best: float
    discoveries: int


def merge(folder: Path, domain_similarity: float, map_tasks: MapTasks) -> Merged:
    """Write ``hits``, ``rejected`` and ``merged`` of the chunks in ``folder``."""
    rejected = _concat(folder, "[0-9]*.rejected.parquet")
    files.write_table(folder / files.REJECTED, rejected)
    light = _concat(folder, "[0-9]*[0-9].parquet", ["row", "key", "smiles"])
    first = duplicates(light, map_tasks)
    keep = np.flatnonzero(first == np.arange(len(first)))
    rows = light.column("row").to_numpy()
    merged = np.flatnonzero(first != np.arange(len(first)))
    files.write_table(
        folder / files.MERGED, pa.table({"row": rows[merged], "kept_row": rows[first[merged]]})
    )
    del light
    table = _concat(folder, "[0-9]*[0-9].parquet").drop_columns(["key"])
    score = table.column("score").to_numpy()[keep]
    order = np.lexsort((rows[keep], -score))
    p_value = table.column("p_value").to_numpy()[keep][order]
    q_value = false_discovery_rate(p_value) if not np.isnan(p_value).any() else p_value
    chosen = keep[order]
    counts = np.bincount(first, minlength=len(first))[chosen] if len(first) else chosen
    hits = table.take(pa.array(chosen))
    hits = _canonical_smiles(hits).drop_columns(["canonical"])
    inside = hits.column("similarity").to_numpy() >= domain_similarity
    hits = hits.add_column(0, "rank", pa.array(np.arange(1, len(chosen) + 1), pa.int64()))
    at = hits.schema.get_field_index("p_value")
    hits = hits.add_column(at + 1, "q_value", pa.array(q_value, pa.float64()))
    hits = hits.append_column("in_domain", pa.array(inside, pa.bool_()))
    hits = hits.append_column("n_rows", pa.array(counts, pa.int64()))
    files.write_table(folder / files.HITS, hits)
    return Merged(
        len(first),
        len(chosen),
        rejected.num_rows,
        float(score.max()) if len(score) else float("nan"),
        int((q_value < 0.05).sum()),
    )


def duplicates(table: pa.Table, map_tasks: MapTasks) -> np.ndarray:
    """Position of the first row of the same molecule, for each row; itself for a new one.

    Equal keys are only a suspicion; rows that share one but are written differently are compared
    by canonical SMILES.
    """
    keys = table.column("key").to_numpy()
    n = len(keys)
    first = np.arange(n)
    if n == 0:
        return first
    _, group, sizes = np.unique(keys, return_inverse=True, return_counts=True)
    suspects = np.flatnonzero(sizes[group] > 1)
    if not len(suspects):
        return first
    texts = table.column("smiles").take(pa.array(suspects)).to_pylist()
    text_codes, spellings = pd.factorize(np.asarray(texts, dtype=object))
    pairs = pd.DataFrame({"group": group[suspects], "text": text_codes}).drop_duplicates()
    unlike = pairs.groupby("group")["text"].transform("size").to_numpy() > 1
    distinct = list(spellings[np.unique(pairs["text"].to_numpy()[unlike])])
    batches = [(start, distinct[start : start + BATCH]) for start in range(0, len(distinct), BATCH)]
    written: dict[str, str] = {}
    for start, found in map_tasks(canonical_batch, batches):
        written.update(zip(distinct[start : start + BATCH], found, strict=True))
    same = np.asarray([written.get(text, text) for text in spellings], dtype=object)[text_codes]
    codes, _ = pd.factorize(same)
    _, leaders = np.unique(codes, return_index=True)
    first[suspects] = suspects[leaders[codes]]
    return first


def canonical_batch(task: tuple[int, list[str]]) -> tuple[int, list[str]]:
    """Canonical SMILES of standardised molecules; a text that is none stays as it is."""
    start, texts = task
    return start, [_canonical(text) for text in texts]


def _canonical(text: str) -> str:
    mol = parse_line(text).mol
    return text if mol is None else Chem.MolToSmiles(mol)


def _canonical_smiles(hits: pa.Table) -> pa.Table:
    """Canonical SMILES in the first rows."""
    at = hits.schema.get_field_index("smiles")
    column = hits.column("smiles")
    head = [_canonical(text) for text in column.slice(0, CANONICAL_HITS).to_pylist()]
    joined = pa.chunked_array([pa.array(head, pa.string()), *column.slice(CANONICAL_HITS).chunks])
    return hits.set_column(at, "smiles", joined)


def _concat(folder: Path, pattern: str, columns: list[str] | None = None) -> pa.Table:
    paths = sorted((folder / files.CHUNKS).glob(pattern))
    tables = [pq.read_table(path, columns=columns) for path in paths]
    return pa.concat_tables(tables).combine_chunks()
