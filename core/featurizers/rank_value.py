"""Rank-value encoding: a cell as its genes in descending order of normalised expression.

Each count is divided by the cell's total, multiplied by 10,000 and divided by the gene's median
over the cells that express it; the non-zero genes of the vocabulary are put in descending order
and cut to the model's length. Theodoris et al., Nature 618:616 (2023),
doi:10.1038/s41586-023-06139-9.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from core.data.cells import HUMAN, MOUSE, guess_organism
from core.data.faults import listing
from core.errors import DataError
from core.featurizers.rank_vocabulary import TARGET_SUM, Vocabulary, gene_columns

if TYPE_CHECKING:
    from anndata import AnnData

__all__ = ["TARGET_SUM", "EncodingReport", "RankEncoded", "Vocabulary", "encode", "encode_values"]

#: Genes that are named in a report.
NAMED = 20
#: Below this share of matched genes the data and the vocabulary are hardly of one organism.
FEW = 0.02


@dataclass(frozen=True)
class EncodingReport:
    """What of the data the vocabulary knew.

    Attributes
    ----------
    n_genes, n_matched
        Columns of the data, and those found in the vocabulary.
    n_summed
        Columns that were added to another one of the same gene.
    n_unknown
        Columns that are not in the vocabulary.
    unknown
        Names of the most expressed unknown genes.
    counts_unknown
        Share of all counts that lies in unknown genes.
    n_empty
        Cells without a single gene of the vocabulary.
    n_truncated
        Cells longer than the model, of which the lowest ranks were cut.
    """

    n_genes: int
    n_matched: int
    n_summed: int
    n_unknown: int
    unknown: tuple[str, ...]
    counts_unknown: float
    n_empty: int
    n_truncated: int

    def sentences(self) -> list[str]:
        """For people: one sentence a finding."""
        lines = [f"{self.n_matched:,} of {self.n_genes:,} genes are in the vocabulary."]
        if self.n_unknown:
            lines.append(
                f"{self.n_unknown:,} genes with {self.counts_unknown:.1%} of all counts are not, "
                f"and stay out of the ranking: {listing(self.unknown)}."
                if self.n_unknown <= len(self.unknown)
                else f"{self.n_unknown:,} genes with {self.counts_unknown:.1%} of all counts are "
                f"not, and stay out of the ranking; the most expressed: {listing(self.unknown)}."
            )
        if self.n_summed:
            lines.append(f"{self.n_summed:,} columns were added to another one of the same gene.")
        if self.n_truncated:
            lines.append(f"{self.n_truncated:,} cells were cut to the model's length.")
        if self.n_empty:
            lines.append(f"{self.n_empty:,} cells have no gene of the vocabulary.")
        return lines


@dataclass(frozen=True)
class RankEncoded:
    """Cells as ranked tokens, one after the other in flat arrays.

    Attributes
    ----------
    tokens
        int32 ``(n_tokens,)``, each cell's genes from the highest rank down.
    values
        float32 ``(n_tokens,)``, the values that they were ranked by.
    indptr
        int64 ``(n_cells + 1,)``: cell ``i`` is ``tokens[indptr[i] : indptr[i + 1]]``.
    n_vocabulary_genes
        int64 ``(n_cells,)``, vocabulary genes expressed, before cutting.
    names
        Cells, ``(n_cells,)``.
    """

    tokens: np.ndarray
    values: np.ndarray
    indptr: np.ndarray
    n_vocabulary_genes: np.ndarray
    names: np.ndarray
    vocabulary: Vocabulary = field(repr=False)
    report: EncodingReport = field(repr=False)

    def __len__(self) -> int:
        return len(self.indptr) - 1

    @property
    def lengths(self) -> np.ndarray:
        """Genes of each cell as the model sees it, int64 ``(n_cells,)``."""
        return np.diff(self.indptr)

    def cell(self, which: int | str) -> np.ndarray:
        """Tokens of one cell by position or name, int64 ``(length,)``.

        Raises
        ------
        DataError
            If there is no such cell, or it has no gene of the vocabulary.
        """
        if isinstance(which, str):
            found = np.flatnonzero(self.names == which)
            if not len(found):
                raise DataError(f"There is no cell '{which}' among the {len(self):,} cells.")
            index = int(found[0])
        else:
            index = int(which)
            if not -len(self) <= index < len(self):
                raise DataError(f"There is no cell {index}: there are {len(self):,} cells.")
            index %= len(self)
        tokens = self.tokens[self.indptr[index] : self.indptr[index + 1]].astype(np.int64)
        if not len(tokens):
            raise DataError(
                f"The cell '{self.names[index]}' expresses no gene of the vocabulary "
                f"'{self.vocabulary.name}', so it has no ranks."
            )
        return tokens

    def genes(self, which: int | str) -> np.ndarray:
        """Gene names of one cell in the order of rank, ``(length,)``."""
        return self.vocabulary.names_of(self.cell(which))

    def cells_with(self, gene: str) -> np.ndarray:
        """Rows of the cells that rank a gene, longest cell first, int64; none where unknown."""
        if self.vocabulary.index_of([gene])[0] < 0:
            return np.array([], dtype=np.int64)
        places = np.flatnonzero(self.tokens == self.vocabulary.token_of(gene))
        rows = np.searchsorted(self.indptr, places, side="right") - 1
        return rows[np.argsort(-self.lengths[rows], kind="stable")].astype(np.int64)

    def rank_of(self, which: int | str, gene: str) -> int:
        """Rank of a gene in a cell, from 0.

        Raises
        ------
        DataError
            If the gene is not in the vocabulary, not expressed in the cell, or cut.
        """
        tokens = self.cell(which)
        at = np.flatnonzero(tokens == self.vocabulary.token_of(gene))
        if len(at):
            return int(at[0])
        name = which if isinstance(which, str) else self.names[which]
        raise DataError(
            f"The gene '{gene}' is not among the {len(tokens):,} ranked genes of the cell "
            f"'{name}': it is not expressed there, or below the model's length."
        )


def encode(
    cells: AnnData,
    vocabulary: Vocabulary,
    *,
    max_length: int = 2048,
    total_key: str | None = None,
) -> RankEncoded:
    """Rank the genes of each cell.

    Parameters
    ----------
    cells
        Raw counts ``(n_cells, n_genes)`` in ``layers["counts"]`` or ``X``. Genes are named by
        symbol or Ensembl id (versions are stripped), in ``var_names`` or a usual column of
        ``var``. Columns of the same gene are summed.
    vocabulary
        Genes, their tokens and medians.
    max_length
        Genes that are kept of a cell.
    total_key
        Column of ``obs`` with each cell's total count, for tables that hold a part of the genes;
        default: the sum over all genes of the table, also those outside the vocabulary.

    Raises
    ------
    DataError
        If the values are not raw counts, no gene is in the vocabulary, or the genes are those of
        another organism.
    """
    counts = raw_counts(cells)
    columns, _ = gene_columns(cells, vocabulary)
    matched = columns >= 0
    _require_match(cells, vocabulary, matched)
    totals = _totals(cells, counts, total_key)
    rows = np.flatnonzero(matched)
    # (n_genes, n_vocabulary) with a one where a column is that gene: the product sums duplicates
    mapping = sparse.csr_matrix(
        (np.ones(len(rows)), (rows, columns[rows])), shape=(len(columns), len(vocabulary))
    )
    known = sparse.csr_matrix(counts @ mapping)
    known.eliminate_zeros()
    encoded = encode_values(known, totals, vocabulary, max_length=max_length)
    tokens, values, indptr, lengths = encoded
    per_gene = np.asarray(counts.sum(axis=0)).ravel()
    unknown = np.flatnonzero(~matched)
    order = unknown[np.argsort(-per_gene[unknown], kind="stable")]
    report = EncodingReport(
        n_genes=cells.n_vars,
        n_matched=int(matched.sum()),
        n_summed=int(matched.sum() - len(np.unique(columns[matched]))),
        n_unknown=len(unknown),
        unknown=tuple(map(str, cells.var_names[order[:NAMED]])),
        counts_unknown=float(per_gene[unknown].sum() / max(per_gene.sum(), 1.0)),
        n_empty=int((lengths == 0).sum()),
        n_truncated=int((lengths > max_length).sum()),
    )
    names = cells.obs_names.to_numpy().astype(str)
    return RankEncoded(tokens, values, indptr, lengths, names, vocabulary, report)


def encode_values(
    counts: sparse.csr_matrix, totals: np.ndarray, vocabulary: Vocabulary, *, max_length: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Rank counts whose columns are the vocabulary's genes.

    Parameters
    ----------
    counts
        ``(n_cells, n_vocabulary)`` without stored zeros.
    totals
        Total count of each cell, ``(n_cells,)``.

    Returns
    -------
    tuple
        Flat tokens, flat values, ``indptr`` and lengths before cutting.
    """
    lengths = np.diff(counts.indptr).astype(np.int64)
    row = np.repeat(np.arange(counts.shape[0]), lengths)
    with np.errstate(divide="ignore", invalid="ignore"):
        values = counts.data / totals[row] * TARGET_SUM / vocabulary.medians[counts.indices]
    tokens = vocabulary.tokens[counts.indices]
    order = np.lexsort((tokens, -values, row))
    start = np.repeat(counts.indptr[:-1].astype(np.int64), lengths)
    kept = order[np.arange(len(row)) - start < max_length]  # lexsort keeps rows together
    indptr = np.concatenate([[0], np.cumsum(np.minimum(lengths, max_length))]).astype(np.int64)
    return tokens[kept].astype(np.int32), values[kept].astype(np.float32), indptr, lengths


def raw_counts(cells: AnnData) -> sparse.csr_matrix:
    """Counts as float64 CSR ``(n_cells, n_genes)`` from ``layers["counts"]`` or ``X``.

    Raises
    ------
    DataError
        If there are negative, fractional or missing values.
    """
    matrix: Any = cells.layers.get("counts", cells.X)
    if matrix is None:
        raise DataError("The cells have neither X nor a layer 'counts'.")
    counts = sparse.csr_matrix(matrix, dtype=np.float64, copy=False)
    data = counts.data
    if not np.isfinite(data).all():
        raise DataError("The counts hold missing or infinite values.")
    if (data < 0).any() or (data != np.round(data)).any():
        raise DataError(
            "The values are not raw counts (some are negative or not whole); ranking divides by "
            "medians of counts, so put the raw counts in X or in a layer 'counts'."
        )
    return counts


def _totals(cells: AnnData, counts: sparse.csr_matrix, key: str | None) -> np.ndarray:
    if key is None:
        return np.asarray(counts.sum(axis=1)).ravel()
    if key not in cells.obs:
        raise DataError(f"The cells have no column '{key}' of total counts.")
    totals = np.asarray(cells.obs[key], dtype=np.float64)
    if not (np.isfinite(totals) & (totals > 0)).all():
        raise DataError(f"The column '{key}' holds totals that are not positive numbers.")
    return totals


def _require_match(cells: AnnData, vocabulary: Vocabulary, matched: np.ndarray) -> None:
    organism = guess_organism(cells.var_names, cells.var)
    if organism == MOUSE and vocabulary.organism == HUMAN:
        raise DataError(
            f"The genes are named as in mouse ({listing(list(cells.var_names[:3]))}), and the "
            f"vocabulary '{vocabulary.name}' is human: take human data, or translate the genes to "
            "their human orthologues first."
        )
    share = matched.mean() if len(matched) else 0.0
    if share == 0.0:
        raise DataError(
            f"None of the {len(matched):,} genes ({listing(list(cells.var_names[:3]))} …) is in "
            f"the vocabulary '{vocabulary.name}' ({listing(list(vocabulary.names[:3]))} …)."
        )
    if share < FEW and organism not in (vocabulary.organism, "unknown"):
        raise DataError(
            f"Only {matched.sum():,} of {len(matched):,} genes are in the vocabulary "
            f"'{vocabulary.name}': the genes look {organism}, the vocabulary is "
            f"{vocabulary.organism}."
        )
