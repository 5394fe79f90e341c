"""Where a screen keeps what, inside its run's folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

PLAN, SUMMARY, GENE_REPORT = "screen.json", "summary.json", "genes.parquet"
HITS, REJECTED, MERGED = "hits.parquet", "rejected.parquet", "merged.parquet"
CHUNKS, TOP, TOP_IDS = "chunks", "top_responses.npy", "top_ids.json"

REJECTED_SCHEMA = pa.schema(
    [("row", pa.int64()), ("id", pa.string()), ("input", pa.string()), ("reason", pa.string())]
)


def chunk_file(folder: Path, index: int) -> Path:
    """Scored molecules of one chunk; written last, so that it marks the chunk as done."""
    return folder / CHUNKS / f"{index:06d}.parquet"


def rejected_file(folder: Path, index: int) -> Path:
    """Rejected rows of one chunk."""
    return folder / CHUNKS / f"{index:06d}.rejected.parquet"


def write_table(path: Path, table: pa.Table) -> None:
    """Write parquet whole or not at all."""
    write_parts(path, iter([table]))


def write_parts(path: Path, tables: Iterator[pa.Table]) -> None:
    """Write tables of one schema as one parquet file, a row group each, whole or not at all."""
    first = next(tables)
    part = path.with_name(f".{path.name}.{id(first):x}.part")
    with pq.ParquetWriter(part, first.schema, compression="zstd") as writer:
        writer.write_table(first)
        for table in tables:
            writer.write_table(table)
    part.replace(path)


def finished_chunks(folder: Path) -> list[Path]:
    """Scored chunks in the order of the input."""
    return sorted((folder / CHUNKS).glob("[0-9]*[0-9].parquet"))
