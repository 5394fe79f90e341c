"""``python -m core genes``: gene lists, what they share, and what they are enriched in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import pandas as pd
import typer

from core.cli._table import AsJson, Count, Out, give
from core.data.gene_lists import (
    GeneList,
    delete_gene_list,
    gmt_text,
    list_gene_lists,
    save_gene_list,
)
from core.errors import ConfigError, DataError
from core.settings import get_settings

if TYPE_CHECKING:
    from core.data.gene_sets import GeneSets
    from core.studies.landmarks.data import LandmarkData

NAME = "genes"
app = typer.Typer(
    help="Gene lists: show, save, compare, symbols of today, enrichment, GSEA.",
    no_args_is_help=True,
)
#: What all genes of a data set can be ranked by.
RANKINGS = ("mean", "variance", "dispersion", "detected")

Sets = Annotated[
    list[str],
    typer.Argument(
        help="Saved lists (L1000 is always there), RUN:SET of a finished selection, or text files."
    ),
]
Cells = Annotated[
    str,
    typer.Option("--dataset", help="A data set of cells: its measured genes are the background."),
]
Gmt = Annotated[
    Path | None, typer.Option(help="Gene sets of your own; default: GO Biological Process.")
]


@app.command("list")
def list_command(as_json: AsJson = False) -> None:
    """List the gene lists of this workspace."""
    rows = [
        {"name": found.name, "genes": len(found), "dataset": found.dataset, "source": found.source}
        for found in list_gene_lists(get_settings())
    ]
    give(pd.DataFrame(rows), None, len(rows), as_json)


@app.command()
def show(
    sets: Sets,
    gmt: Annotated[bool, typer.Option("--gmt", help="Print the sets as GMT.")] = False,
) -> None:
    """Print the genes of lists, one a line, or all of them as GMT."""
    found = _find(sets)
    if gmt:
        print(gmt_text(found.values()), end="")
        return
    for genes in found.values():
        print("\n".join(genes.genes))


@app.command()
def save(
    name: Annotated[str, typer.Argument(help="What the list is to be called.")],
    genes: Annotated[str, typer.Argument(help="A text file, or RUN:SET of a finished selection.")],
) -> None:
    """Save a list for every panel."""
    (found,) = _find([genes]).values()
    saved = save_gene_list(
        name, found.genes, source=found.source, dataset=found.dataset, settings=get_settings()
    )
    print(f"Saved {saved.name}: {len(saved):,} genes.")


@app.command()
def remove(name: Annotated[str, typer.Argument(help="A saved list.")]) -> None:
    """Remove a saved list."""
    delete_gene_list(name, get_settings())
    print(f"Removed {name}.")


@app.command()
def compare(
    sets: Sets, dataset: Cells, out: Out = None, n: Count = 50, as_json: AsJson = False
) -> None:
    """Overlap of every pair of sets against chance, among the genes that a data set measures."""
    from core.metrics.gene_sets_overlap import pairwise_overlap
    from core.studies.landmark_selection.sets import measured_genes

    data = _cells(dataset)
    found = {name: measured_genes(data, genes.genes) for name, genes in _find(sets).items()}
    if len(found) < 2:
        raise ConfigError("Name two sets or more to compare them.")
    give(pairwise_overlap(found, data.genes), out, n, as_json)


@app.command()
def levels(
    sets: Sets, dataset: Cells, out: Out = None, n: Count = 50, as_json: AsJson = False
) -> None:
    """Level, dispersion and detection of chosen genes against the others of a data set."""
    from core.metrics.gene_sets_overlap import chosen_against_rest
    from core.studies.landmark_selection.sets import measured_genes
    from core.studies.landmarks.explore import gene_levels

    data = _cells(dataset)
    table = gene_levels(data)
    rows = []
    for name, genes in _find(sets).items():
        part = chosen_against_rest(table, measured_genes(data, genes.genes))
        part.insert(0, "set", name)
        rows.append(part)
    give(pd.concat(rows, ignore_index=True), out, n, as_json)


@app.command()
def symbols(
    sets: Sets,
    dataset: Annotated[str, typer.Option(help="Say also what these cells call each gene.")] = "",
    out: Out = None,
    n: Count = 200,
    as_json: AsJson = False,
) -> None:
    """Genes whose symbol has changed: as given, today, before."""
    from core.studies.landmark_selection.sets import updates

    data = _cells(dataset) if dataset else None
    give(updates(data, _find(sets).values()), out, n, as_json)


@app.command()
def enrich(
    sets: Sets,
    dataset: Annotated[
        str, typer.Option(help="Cells whose measured genes are the background.")
    ] = "",
    background: Annotated[
        Path | None, typer.Option(help="A text file with the background's symbols.")
    ] = None,
    gmt: Gmt = None,
    out: Out = None,
    n: Count = 20,
    as_json: AsJson = False,
) -> None:
    """Over-representation of gene sets; the background is said, and can be chosen."""
    from core.metrics.enrichment import EnrichmentIndex
    from core.studies.landmark_selection.sets import measured_genes, read_list

    if dataset and background is not None:
        raise ConfigError("Choose one background: --dataset or --background.")
    collection, data = _collection(gmt), _cells(dataset) if dataset else None
    words, genes = f"the genes of {collection.name}", list(map(str, collection.genes))
    if data is not None:
        words, genes = f"the measured genes of {data.id}", list(map(str, data.genes))
    elif background is not None:
        words, genes = f"the genes of {background.name}", list(read_list(background).genes)
    index = EnrichmentIndex.build(collection, [gene.upper() for gene in genes])
    tables = []
    for name, found in _find(sets).items():
        symbols_ = found.genes if data is None else measured_genes(data, found.genes)
        table = index.test(gene.upper() for gene in symbols_)
        table.insert(0, "set", name)
        tables.append(table if out is not None else table.head(n))
    typer.echo(
        f"Background: {words}, {len(index.background):,} genes; {len(index.terms):,} terms tested.",
        err=True,
    )
    joined = pd.concat(tables, ignore_index=True)
    # A line on the screen has no room for the names of all hits; files and JSON have.
    whole = out is not None or as_json
    give(joined if whole else joined.drop(columns="genes"), out, n * len(tables), as_json)


@app.command()
def gsea(
    dataset: Cells,
    by: Annotated[str, typer.Option(help=f"Rank all genes by: {', '.join(RANKINGS)}.")],
    gmt: Gmt = None,
    permutations: Annotated[int, typer.Option(min=10, max=100_000)] = 1000,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    out: Out = None,
    n: Count = 20,
    as_json: AsJson = False,
) -> None:
    """Pre-ranked GSEA of all measured genes (gseapy)."""
    from core.metrics.gsea import prerank
    from core.studies.landmarks.explore import gene_levels

    if by not in RANKINGS:
        raise ConfigError(f"Genes cannot be ranked by '{by}'; known: {', '.join(RANKINGS)}.")
    collection = _collection(gmt)
    table = gene_levels(_cells(dataset))
    ranking = pd.Series(table[by].to_numpy(), index=table["gene"].astype(str).str.upper())
    found = prerank(ranking, collection, n_permutations=permutations, seed=seed)
    give(found if out or as_json else found.drop(columns="leading"), out, n, as_json)


def _find(words: list[str]) -> dict[str, GeneList]:
    """Sets by the name that tables show: names that come twice are told apart by what was asked."""
    from core.studies.landmark_selection.sets import find_set

    found: dict[str, GeneList] = {}
    for word in words:
        genes = find_set(word, get_settings())
        found[word if genes.name in found else genes.name] = genes
    if len(found) < len(words):
        raise DataError("The same set was named twice.")
    return found


def _cells(id: str) -> LandmarkData:
    from core.studies.landmarks.data import load_landmark_data

    return load_landmark_data(id, settings=get_settings())


def _collection(gmt: Path | None) -> GeneSets:
    from core.data.gene_sets import go_biological_process, read_gmt

    return (go_biological_process() if gmt is None else read_gmt(gmt)).in_capitals()
