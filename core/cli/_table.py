"""Tables that a command prints, and writes where it is asked to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from core.errors import DataError

Out = Annotated[
    Path | None, typer.Option("--out", "-o", help="Write the whole table: .csv, .tsv or .parquet.")
]
Count = Annotated[int, typer.Option("--count", "-n", min=1, help="How many rows to print.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


def give(table: pd.DataFrame, out: Path | None, n: int, as_json: bool) -> None:
    """Write the whole table where asked, and print its first rows.

    Raises
    ------
    DataError
        Where the name of the file does not say how to write it, or it cannot be written.
    """
    if out is not None:
        _write(table, out)
        typer.echo(f"Wrote {len(table):,} rows to {out}.", err=True)
    if as_json:
        rows = table.head(n).astype(object).where(table.head(n).notna(), None)
        print(json.dumps(rows.to_dict("records"), ensure_ascii=False))
        return
    print(table.head(n).to_string(index=False, float_format=lambda v: f"{v:.4g}"))


def _write(table: pd.DataFrame, out: Path) -> None:
    try:
        if out.suffix == ".parquet":
            table.to_parquet(out, index=False)
        elif out.suffix in {".csv", ".tsv"}:
            table.to_csv(out, index=False, sep="\t" if out.suffix == ".tsv" else ",")
        else:
            raise DataError(f"'{out.name}' must end in .csv, .tsv or .parquet.")
    except OSError as error:
        raise DataError(f"'{out}' cannot be written: {error.strerror or error}.") from None
