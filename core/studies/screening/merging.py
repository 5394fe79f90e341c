"""From scored chunks to one ranked table: duplicates merged, false-discovery rate, order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from core.metrics.connectivity import false_discovery_rate
from core.studies.screening import files
from core.studies.screening.identity import canonical, same_batch

#: Molecules whose SMILES is made canonical in the ranked table; the rest keep the text they came
#: with where standardising changed nothing.
CANONICAL_HITS = 50
BATCH = 2000
#: Rows of the ranked table that are put together and written at once.
ROW_GROUP = 65_536
_SCORED = "[0-9]*[0-9].parquet"
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
    first = duplicates(_concat(folder, _SCORED, ["key", "smiles"]), map_tasks)
    keep = np.flatnonzero(first == np.arange(len(first)))
    numbers = _concat(folder, _SCORED, ["row", "score", "p_value", "similarity"])
    row, score, p_value, similarity = (column.to_numpy() for column in numbers.columns)
    merged = np.flatnonzero(first != np.arange(len(first)))
    files.write_table(
        folder / files.MERGED, pa.table({"row": row[merged], "kept_row": row[first[merged]]})
    )
    order = keep[np.lexsort((row[keep], -score[keep]))]
    p_value = p_value[order]
    q_value = p_value if np.isnan(p_value).any() else false_discovery_rate(p_value)
    added = {
        "q_value": q_value,
        "in_domain": similarity[order] >= domain_similarity,
        "n_rows": np.bincount(first, minlength=len(first))[order] if len(first) else order,
    }
    _write_hits(folder, order, added)
    return Merged(
        len(first),
        len(order),
        rejected.num_rows,
        float(score.max()) if len(score) else float("nan"),
        int((q_value < 0.05).sum()),
    )


def _write_hits(folder: Path, order: np.ndarray, added: dict[str, np.ndarray]) -> None:
    """The ranked table, a part at a time: only one part is in memory twice."""
    table = _concat(folder, _SCORED).drop_columns(["key"])
    at = table.schema.get_field_index("p_value") + 1

    def parts() -> Iterator[pa.Table]:
        for start in range(0, max(len(order), 1), ROW_GROUP):
            rows = slice(start, start + ROW_GROUP)
            part = table.take(pa.array(order[rows]))
            rank = np.arange(start + 1, start + 1 + part.num_rows)
            if start == 0:
                part = _canonical_smiles(part)
            part = part.add_column(0, "rank", pa.array(rank, pa.int64()))
            part = part.add_column(
                at + 1, "q_value", pa.array(added["q_value"][rows], pa.float64())
            )
            part = part.append_column("in_domain", pa.array(added["in_domain"][rows], pa.bool_()))
            yield part.append_column("n_rows", pa.array(added["n_rows"][rows], pa.int64()))

    files.write_parts(folder / files.HITS, parts())


def duplicates(table: pa.Table, map_tasks: MapTasks) -> np.ndarray:
    """Position of the first row of the same molecule, for each row; itself for a new one.

    Equal keys are only a suspicion: texts that share one but are written differently are compared
    by :func:`same_batch`.
    """
    keys = table.column("key").to_numpy()
    first = np.arange(len(keys))
    if len(keys) == 0:
        return first
    _, group, sizes = np.unique(keys, return_inverse=True, return_counts=True)
    suspects = np.flatnonzero(sizes[group] > 1)
    if not len(suspects):
        return first
    written = table.column("smiles").take(pa.array(suspects)).combine_chunks().dictionary_encode()
    codes = written.indices.to_numpy()
    same = _same(written.dictionary, codes, group[suspects], map_tasks)[codes]
    _, leaders, places = np.unique(same, return_index=True, return_inverse=True)
    first[suspects] = suspects[leaders[places]]
    return first


def _same(
    spellings: pa.Array, codes: np.ndarray, group: np.ndarray, map_tasks: MapTasks
) -> np.ndarray:
    """For each spelling the number of one that stands for the same molecule."""
    same = np.arange(len(spellings))
    group_of = np.empty(len(spellings), dtype=np.int64)
    group_of[codes] = group  # one text, one molecule, one key
    order = np.argsort(group_of, kind="stable")
    starts = np.flatnonzero(np.diff(group_of[order], prepend=-1))
    sizes = np.diff(starts, append=len(order))
    unlike = np.repeat(sizes > 1, sizes)
    order, sizes = order[unlike], sizes[sizes > 1]
    ends = np.cumsum(sizes)

    def batches() -> Iterator[tuple[int, list[str], list[int]]]:
        done = 0
        while done < len(sizes):
            begin = int(ends[done] - sizes[done])
            stop = max(int(np.searchsorted(ends, begin + BATCH, side="right")), done + 1)
            rows = pa.array(order[begin : ends[stop - 1]])
            yield begin, spellings.take(rows).to_pylist(), sizes[done:stop].tolist()
            done = stop

    for begin, labels in map_tasks(same_batch, batches()):
        rows = order[begin : begin + len(labels)]
        same[rows] = rows[labels]
    return same


def _canonical_smiles(hits: pa.Table) -> pa.Table:
    """Canonical SMILES in the first rows."""
    at = hits.schema.get_field_index("smiles")
    column = hits.column("smiles")
    head = [canonical(text) for text in column.slice(0, CANONICAL_HITS).to_pylist()]
    joined = pa.chunked_array([pa.array(head, pa.string()), *column.slice(CANONICAL_HITS).chunks])
    return hits.set_column(at, "smiles", joined)


def _concat(folder: Path, pattern: str, columns: list[str] | None = None) -> pa.Table:
    paths = sorted((folder / files.CHUNKS).glob(pattern))
    return pa.concat_tables([pq.read_table(path, columns=columns) for path in paths])
