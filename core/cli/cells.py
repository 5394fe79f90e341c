"""``python -m core cells``: differential expression, markers and energy distances of cells."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import pandas as pd
import typer

from core.cli._progress import ProgressBar
from core.data import get_dataset, load_cells, store
from core.data.expression import Expression, open_expression
from core.errors import ConfigError, DataError
from core.metrics.differential import TESTS, compare_groups, rank_genes
from core.metrics.energy import DISTANCES
from core.metrics.energy_groups import energy_by_type, energy_matrix
from core.metrics.energy_space import principal_components, subsample
from core.metrics.expression_scale import FoundScale, guess_scale
from core.metrics.markers import ORDERS, marker_genes
from core.metrics.pseudobulk import BULK_TESTS, compare_pseudobulk, sum_by_sample
from core.settings import get_settings

if TYPE_CHECKING:
    from anndata import AnnData

NAME = "cells"
app = typer.Typer(
    help="Cells: differential expression, marker genes, energy distances.", no_args_is_help=True
)

Id = Annotated[str, typer.Argument(help="A data set of cells, as 'data list --kind cells' shows.")]
Out = Annotated[
    Path | None, typer.Option("--out", "-o", help="Write the whole table: .csv, .tsv or .parquet.")
]
Count = Annotated[int, typer.Option("--count", "-n", min=1, help="How many rows to print.")]
By = Annotated[str, typer.Option("--by", help="Column of obs with the groups.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


@app.command()
def de(
    id: Id,
    by: By,
    group: Annotated[str, typer.Option(help="Group to test; default: each against the rest.")] = "",
    reference: Annotated[str, typer.Option(help="Group to test against; default: the rest.")] = "",
    within: Annotated[str, typer.Option(help="Only cells with COLUMN=VALUE.")] = "",
    test: Annotated[str, typer.Option(help=f"{', '.join((*TESTS, *BULK_TESTS))}.")] = "wilcoxon",
    ties: Annotated[bool, typer.Option("--ties", help="Correct the rank sum for ties.")] = False,
    sample: Annotated[str, typer.Option(help="Pseudobulk: column of the samples.")] = "",
    pair_by: Annotated[str, typer.Option(help="Pseudobulk: column that pairs samples.")] = "",
    out: Out = None,
    n: Count = 20,
    as_json: AsJson = False,
) -> None:
    """Differential expression between groups of cells, or of samples (pseudobulk)."""
    cells, expression, scale = _open(id)
    labels = _column(cells, by)
    inside = _within(cells, within)
    if test in BULK_TESTS:
        table = _bulk(cells, labels, inside, group, reference, test, sample, pair_by)
    else:
        with ProgressBar() as bar:
            if not group:
                table = rank_genes(
                    expression,
                    labels.where(inside, None),
                    genes=expression.genes,
                    test=test,  # type: ignore[arg-type]
                    tie_correct=ties,
                    scale=scale.scale,
                    on_progress=bar,
                )
            else:
                own = _members(labels, group, by) & inside
                other = (
                    _members(labels, reference, by) if reference else ~_members(labels, group, by)
                )
                table = compare_groups(
                    expression,
                    own,
                    other & inside,
                    genes=expression.genes,
                    names=(group, reference or "rest"),
                    test=test,  # type: ignore[arg-type]
                    tie_correct=ties,
                    scale=scale.scale,
                    on_progress=bar,
                )
        typer.echo(f"Values: {scale.words}.", err=True)
    _give(table, out, n, as_json)


@app.command()
def markers(
    id: Id,
    by: By,
    test: Annotated[str, typer.Option(help=f"{', '.join(TESTS)}.")] = "wilcoxon",
    order: Annotated[str, typer.Option(help=f"{', '.join(ORDERS)}.")] = "scores",
    per_group: Annotated[int, typer.Option(min=1, help="Genes of each group.")] = 10,
    fold_change: Annotated[float, typer.Option(help="log2 fold change at least.")] = 0.5,
    share: Annotated[float, typer.Option(min=0, max=1, help="Expressing share at least.")] = 0.25,
    out: Out = None,
    n: Count = 200,
    as_json: AsJson = False,
) -> None:
    """Marker genes of each group, with the percentage of expressing cells."""
    cells, expression, scale = _open(id)
    with ProgressBar() as bar:
        table = marker_genes(
            expression,
            _column(cells, by),
            genes=expression.genes,
            test=test,  # type: ignore[arg-type]
            scale=scale.scale,
            n=per_group,
            order=order,
            min_log_fold_change=fold_change,
            min_share=share,
            on_progress=bar,
        )
    _give(table, out, n, as_json)


@app.command()
def energy(
    id: Id,
    by: By,
    group: Annotated[str, typer.Option(help="With --reference: two conditions.")] = "",
    reference: Annotated[str, typer.Option(help="The condition to measure from.")] = "",
    cell_type: Annotated[str, typer.Option(help="Column: one distance in each type.")] = "",
    distance: Annotated[str, typer.Option(help=f"{', '.join(DISTANCES)}.")] = "sqeuclidean",
    space: Annotated[str, typer.Option(help="Key of obsm; default: PCs computed here.")] = "",
    permutations: Annotated[int, typer.Option(min=1, help="Shuffles of the labels.")] = 999,
    max_cells: Annotated[int, typer.Option(min=3, help="Most cells of a group.")] = 500,
    seed: Annotated[int, typer.Option(help="Of subsampling and shuffles.")] = 0,
    out: Out = None,
    n: Count = 200,
    as_json: AsJson = False,
) -> None:
    """Energy distances between groups of cells, with their permutation test."""
    if distance not in DISTANCES:
        raise ConfigError(f"There is no distance '{distance}'; choose {', '.join(DISTANCES)}.")
    if bool(group) != bool(reference):
        raise ConfigError("Name both --group and --reference, or neither for all pairs.")
    if cell_type and not group:
        raise ConfigError("--cell-type needs two conditions: --group and --reference.")
    cells, expression, _ = _open(id)
    labels = _column(cells, by)
    types = _column(cells, cell_type) if cell_type else None
    strata = labels if types is None else labels + "\x1f" + types
    chosen = subsample(strata, max_cells, seed=seed)
    if space and space not in cells.obsm:
        known = ", ".join(cells.obsm.keys()) or "none"
        raise ConfigError(f"The cells have no coordinates '{space}'; known: {known}.")
    points = (
        np.asarray(cells.obsm[space])[chosen]
        if space
        else principal_components(expression, chosen, seed=seed)
    )
    options = {"n_permutations": permutations, "max_cells": max_cells, "seed": seed}
    with ProgressBar() as bar:
        if group:
            table = energy_by_type(
                points,
                labels.iloc[chosen],
                None if types is None else types.iloc[chosen],
                group,
                reference,
                distance=distance,
                on_progress=bar,
                **options,
            )
        else:
            table = energy_matrix(
                points,
                labels.iloc[chosen],
                distance=distance,
                on_progress=bar,
                **options,
            ).pairs()
    _give(table, out, n, as_json)


def _open(id: str) -> tuple[AnnData, Expression, FoundScale]:
    """Cells, their expression on a log scale, and which scale that is."""
    settings = get_settings()
    status = get_dataset(id, settings)
    cells = load_cells(id, settings)
    meta = store.read_meta(store.folder_of(id, settings)) or {}
    counts = meta.get("values") == "counts"
    cache = settings.workspace / "cache" / "by_gene" / str(status.content_hash)
    expression = open_expression(cells, counts=counts, cache=cache)
    return cells, expression, FoundScale("log1p", True) if counts else guess_scale(cells.X)


def _column(cells: AnnData, name: str) -> pd.Series:
    """A column as text, index from 0; missing labels stay missing."""
    if name not in cells.obs:
        known = ", ".join(map(str, cells.obs.columns)) or "none"
        raise ConfigError(f"The cells have no column '{name}'; known: {known}.")
    column = cells.obs[name].reset_index(drop=True).astype(object)
    return column.map(str, na_action="ignore")


def _members(labels: pd.Series, name: str, by: str) -> np.ndarray:
    mask = (labels == name).to_numpy()
    if not mask.any():
        known = ", ".join(sorted(labels.dropna().unique())[:12])
        raise ConfigError(f"The column '{by}' has no group '{name}'; known: {known}.")
    return mask


def _within(cells: AnnData, words: str) -> np.ndarray:
    if not words:
        return np.ones(cells.n_obs, dtype=bool)
    column, found, value = words.partition("=")
    if not found:
        raise ConfigError(f"'{words}' names no group; write it as COLUMN=VALUE.")
    return _members(_column(cells, column), value, column)


def _bulk(
    cells: AnnData,
    labels: pd.Series,
    inside: np.ndarray,
    group: str,
    reference: str,
    test: str,
    sample: str,
    pair_by: str,
) -> pd.DataFrame:
    if not (group and reference and sample):
        raise ConfigError("Pseudobulk needs --group, --reference and --sample.")
    rows = np.flatnonzero(inside)
    bulk = sum_by_sample(
        cells.X[rows],
        _column(cells, sample).iloc[rows],
        labels.iloc[rows],
        block=_column(cells, pair_by).iloc[rows] if pair_by else None,
    )
    for sentence in bulk.left_out:
        typer.echo(f"Left out: {sentence}", err=True)
    return compare_pseudobulk(
        bulk,
        group,
        reference,
        genes=cells.var_names,
        test=test,  # type: ignore[arg-type]
    )


def _give(table: pd.DataFrame, out: Path | None, n: int, as_json: bool) -> None:
    """Write the whole table where asked, and print its first rows."""
    if out is not None:
        if out.suffix == ".parquet":
            table.to_parquet(out, index=False)
        elif out.suffix in {".csv", ".tsv"}:
            table.to_csv(out, index=False, sep="\t" if out.suffix == ".tsv" else ",")
        else:
            raise DataError(f"'{out.name}' must end in .csv, .tsv or .parquet.")
        typer.echo(f"Wrote {len(table):,} rows to {out}.", err=True)
    if as_json:
        rows = table.head(n).astype(object).where(table.head(n).notna(), None)
        print(json.dumps(rows.to_dict("records"), ensure_ascii=False))
        return
    print(table.head(n).to_string(index=False, float_format=lambda v: f"{v:.4g}"))
