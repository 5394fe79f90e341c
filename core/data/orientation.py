"""Which side of a table of cells holds the genes, told from names."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import pandas as pd

from core.data.cells import ENSEMBL
from core.data.faults import listing

CELLS_BY_GENES, GENES_BY_CELLS = "cells × genes", "genes × cells"
ORIENTATIONS = (CELLS_BY_GENES, GENES_BY_CELLS)
#: Names that are looked at on each side.
SAMPLE = 5000
#: Share of known genes from which a side counts as genes.
ENOUGH = 0.3


@lru_cache(maxsize=1)
def _known() -> frozenset[str]:
    from core.data.facts import landmark_genes, op2_genes

    return frozenset(op2_genes()) | frozenset(landmark_genes()["gene_symbol"])


def gene_share(names: Iterable[object]) -> float:
    """Share of ``names`` that are Ensembl ids or known symbols."""
    some = [str(name) for name in pd.Index(list(names))[:SAMPLE]]
    if not some:
        return 0.0
    return sum(map(_is_gene, some)) / len(some)


def _is_gene(name: str) -> bool:
    if ENSEMBL.fullmatch(name):
        return True
    # Mouse symbols are title case; 'c2' is a cell's name rather than complement C2.
    return name[:1].isupper() and name.upper() in _known()


def orientation(rows: Iterable[object], columns: Iterable[object]) -> str | None:
    """One of :data:`ORIENTATIONS`, or ``None`` where names do not tell."""
    by_row, by_column = gene_share(rows), gene_share(columns)
    if max(by_row, by_column) < ENOUGH:
        return None
    return CELLS_BY_GENES if by_column >= ENOUGH else GENES_BY_CELLS


def transposed_words(rows: pd.Index) -> str:
    """What is wrong with a file whose rows are genes."""
    some = listing([str(name) for name in rows[:3]])
    return (
        f"The file is transposed: its rows are named as genes ({some} …), cells are expected there; "
        f"import it with the orientation '{GENES_BY_CELLS}'."
    )
