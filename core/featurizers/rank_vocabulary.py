"""The vocabulary of a rank-value encoding: genes, tokens and non-zero medians."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from core.data.cells import ENSEMBL, HUMAN, SYMBOL_COLUMNS, UNKNOWN, guess_organism
from core.data.gene_renames import former, renames
from core.errors import DataError

if TYPE_CHECKING:
    from anndata import AnnData

TARGET_SUM = 10_000.0
PAD, MASK = "<pad>", "<mask>"
#: Columns of ``var`` that hold identifiers where the names are symbols.
ID_COLUMNS = ("gene_ids", "gene_id", "ensembl_id", "ensembl", "feature_id")
#: Accepted names of a vocabulary table's columns.
_COLUMNS = {
    "id": ("ensembl_id", "gene_id", "id"),
    "token": ("token", "token_id"),
    "median": ("median_nonzero", "median", "nonzero_median"),
    "name": ("gene_name", "name", "symbol"),
}


@dataclass(frozen=True)
class Vocabulary:
    """Genes that a model knows.

    Attributes
    ----------
    ids
        Gene ids without versions, ``(n_genes,)``: Ensembl ids, or symbols where none are known.
    tokens
        int64 ``(n_genes,)``, ascending.
    medians
        float64 ``(n_genes,)``: median over the cells that express the gene of
        counts / total × 10,000.
    names
        Symbols, ``(n_genes,)``; the id where a gene has none.
    name
        What the vocabulary is called in messages.
    """

    ids: np.ndarray
    tokens: np.ndarray
    medians: np.ndarray
    names: np.ndarray
    name: str = "vocabulary"
    pad_token: int = 0
    mask_token: int = 1

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def size(self) -> int:
        """Rows of the embedding table that it needs."""
        return int(self.tokens.max()) + 1

    @cached_property
    def organism(self) -> str:
        """``"human"``, ``"mouse"`` or ``"unknown"``, from how genes are named."""
        found = guess_organism(pd.Index(self.ids), pd.DataFrame(index=self.ids))
        return found if found != UNKNOWN else HUMAN if self._symbols_are_human else UNKNOWN

    @property
    def _symbols_are_human(self) -> bool:
        return guess_organism(pd.Index(self.names), pd.DataFrame(index=self.names)) == HUMAN

    @cached_property
    def _by_id(self) -> dict[str, int]:
        return {gene: i for i, gene in enumerate(self.ids)}

    @cached_property
    def _by_name(self) -> dict[str, int]:
        # a symbol of two ids stands for the one with the lower token
        return {gene: len(self) - 1 - i for i, gene in enumerate(self.names[::-1])}

    @cached_property
    def _by_token(self) -> pd.Series:
        return pd.Series(np.arange(len(self)), index=self.tokens)

    def index_of(self, genes: Sequence[str] | pd.Index | np.ndarray) -> np.ndarray:
        """Position of each gene by id or symbol, int64 ``(n,)``; −1 where it is not known.

        Versions of Ensembl ids are stripped; renamed symbols are found under either name.
        """
        return np.fromiter((self._index(str(gene)) for gene in genes), np.int64, len(genes))

    def _index(self, gene: str) -> int:
        gene = gene.strip()
        if ENSEMBL.fullmatch(gene):
            return self._by_id.get(gene.split(".")[0], -1)
        for name in (gene, renames().get(gene), former().get(gene)):
            if name is None:
                continue
            at = self._by_name.get(name, self._by_id.get(name, -1))
            if at >= 0:
                return at
        return -1

    def token_of(self, gene: str) -> int:
        """Token of a gene given by id or symbol.

        Raises
        ------
        DataError
            If the vocabulary does not have it.
        """
        at = self._index(gene)
        if at < 0:
            raise DataError(f"The gene '{gene}' is not in the vocabulary '{self.name}'.")
        return int(self.tokens[at])

    def names_of(self, tokens: np.ndarray) -> np.ndarray:
        """Gene names of tokens, ``(n,)``."""
        return self.names[self._positions(tokens)]

    def ids_of(self, tokens: np.ndarray) -> np.ndarray:
        """Gene ids of tokens, ``(n,)``."""
        return self.ids[self._positions(tokens)]

    def _positions(self, tokens: np.ndarray) -> np.ndarray:
        at = self._by_token.reindex(np.asarray(tokens))
        if at.isna().any():
            bad = np.asarray(tokens)[at.isna().to_numpy()][0]
            raise DataError(f"The token {bad} is no gene of the vocabulary '{self.name}'.")
        return at.to_numpy(dtype=np.int64)

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of genes, tokens and medians."""
        digest = hashlib.sha256("\n".join(self.ids).encode())
        digest.update(np.ascontiguousarray(self.tokens, dtype="<i8").tobytes())
        digest.update(np.ascontiguousarray(self.medians, dtype="<f8").tobytes())
        return digest.hexdigest()

    def restrict(self, keep: np.ndarray) -> Vocabulary:
        """The genes at positions ``keep`` with new tokens from 2 on."""
        keep = np.sort(np.asarray(keep))
        tokens = np.arange(2, 2 + len(keep), dtype=np.int64)
        return Vocabulary(self.ids[keep], tokens, self.medians[keep], self.names[keep], self.name)

    @classmethod
    def from_frame(cls, table: pd.DataFrame, *, name: str = "vocabulary") -> Vocabulary:
        """Read a table of gene id, token, non-zero median and (optional) gene name.

        Rows ``<pad>`` and ``<mask>`` give the special tokens (default 0 and 1).

        Raises
        ------
        DataError
            If a column is missing, a token or gene occurs twice, or a median is not positive.
        """
        found = {k: next((c for c in c_ if c in table), None) for k, c_ in _COLUMNS.items()}
        for kind in ("id", "token", "median"):
            if found[kind] is None:
                raise DataError(
                    f"The vocabulary table has no column '{_COLUMNS[kind][0]}' "
                    f"(columns: {', '.join(map(str, table.columns)) or 'none'})."
                )
        ids = table[found["id"]].astype(str).str.strip()
        tokens = pd.to_numeric(table[found["token"]], errors="coerce")
        if tokens.isna().any() or (tokens < 0).any() or (tokens != tokens.round()).any():
            bad = ids[tokens.isna() | (tokens < 0) | (tokens != tokens.round())].iloc[0]
            raise DataError(f"The token of '{bad}' is not a whole number of 0 or more.")
        tokens = tokens.astype(np.int64)
        special = ids.str.fullmatch(r"<.*>")
        specials = dict(zip(ids[special], tokens[special], strict=True))
        genes = table[~special]
        order = np.argsort(tokens[~special].to_numpy(), kind="stable")
        gene_ids = ids[~special].map(_unversioned).to_numpy(dtype=object)[order]
        numbers = tokens[~special].to_numpy()[order]
        medians = pd.to_numeric(genes[found["median"]], errors="coerce").to_numpy(float)[order]
        if not len(gene_ids):
            raise DataError("The vocabulary table has no genes.")
        everything = np.concatenate([numbers, list(specials.values())])
        for values, what in ((everything, "token"), (gene_ids, "gene")):
            again = pd.Series(values)[pd.Series(values).duplicated()]
            if len(again):
                raise DataError(f"The {what} '{again.iloc[0]}' stands twice in the vocabulary.")
        bad = ~(np.isfinite(medians) & (medians > 0))
        if bad.any():
            raise DataError(f"The median of '{gene_ids[bad][0]}' is not a positive number.")
        pad, mask = int(specials.get(PAD, 0)), int(specials.get(MASK, 1))
        if len({pad, mask} & set(numbers.tolist())):
            raise DataError(f"A gene has the token of {PAD} ({pad}) or {MASK} ({mask}).")
        names = gene_ids.copy()
        if found["name"] is not None:
            given = genes[found["name"]].to_numpy(dtype=object)[order]
            there = np.array([isinstance(v, str) and bool(v.strip()) for v in given])
            names[there] = given[there]
        return cls(gene_ids.astype(str), numbers, medians, names.astype(str), name, pad, mask)

    @classmethod
    def read(cls, path: Path) -> Vocabulary:
        """Read a parquet, CSV or TSV table; see :meth:`from_frame`.

        Raises
        ------
        DataError
            If the file cannot be read, or its table is not a vocabulary.
        """
        path = Path(path)
        try:
            if path.suffix == ".parquet":
                table = pd.read_parquet(path)
            else:
                separator = "\t" if ".tsv" in path.suffixes or ".txt" in path.suffixes else ","
                table = pd.read_csv(path, sep=separator)
        except OSError as error:
            reason = error.strerror or "it is not a parquet table"
            raise DataError(f"The vocabulary {path} cannot be read: {reason}.") from None
        except (ValueError, UnicodeDecodeError) as error:
            raise DataError(f"The vocabulary {path} is not a table: {error}.") from None
        return cls.from_frame(table, name=path.name)

    def to_frame(self) -> pd.DataFrame:
        """The table that :meth:`from_frame` reads, special tokens first."""
        genes = pd.DataFrame(
            {
                "ensembl_id": self.ids,
                "token": self.tokens,
                "median_nonzero": self.medians,
                "gene_name": self.names,
            }
        )
        special = pd.DataFrame(
            {"ensembl_id": [PAD, MASK], "token": [self.pad_token, self.mask_token]}
        )
        return pd.concat([special, genes], ignore_index=True)

    def write(self, path: Path) -> None:
        """Write the table as parquet."""
        self.to_frame().to_parquet(path, index=False, compression="zstd")

    @classmethod
    def from_counts(
        cls, sets: Sequence[AnnData] | AnnData, *, min_cells: int = 1, name: str = "own counts"
    ) -> Vocabulary:
        """Compute medians from one or more sets of raw counts, each gene's exactly.

        Parameters
        ----------
        sets
            Cells with raw counts. The same gene of two sets is matched by symbol.
        min_cells
            Genes expressed in fewer cells of all sets together are left out.

        Raises
        ------
        DataError
            If the values are not counts, or no gene is left.
        """
        from core.featurizers.rank_value import raw_counts

        several = list(sets) if isinstance(sets, Sequence) else [sets]
        keys: dict[str, int] = {}
        ids: list[str] = []
        parts: list[tuple[np.ndarray, np.ndarray]] = []
        for cells in several:
            counts = raw_counts(cells)
            given, symbols = gene_names(cells)
            columns = np.empty(cells.n_vars, dtype=np.int64)
            for i, (gene, symbol) in enumerate(zip(given, symbols, strict=True)):
                at = keys.setdefault(symbol, len(ids))
                if at == len(ids):
                    ids.append(gene)
                elif ENSEMBL.fullmatch(gene) and not ENSEMBL.fullmatch(ids[at]):
                    ids[at] = gene
                columns[i] = at
            merge = sparse.csr_matrix(
                (np.ones(len(columns)), (np.arange(len(columns)), columns)),
                shape=(len(columns), len(ids)),
            )
            known = sparse.csc_matrix(counts @ merge)
            known.eliminate_zeros()
            totals = np.asarray(counts.sum(axis=1)).ravel()
            values = known.data / totals[known.indices] * TARGET_SUM
            parts.append((np.repeat(np.arange(len(ids)), np.diff(known.indptr)), values))
        column = np.concatenate([part[0] for part in parts])
        values = np.concatenate([part[1] for part in parts])
        grouped = pd.Series(values).groupby(column)
        seen = grouped.size()
        kept = seen.index[seen >= max(min_cells, 1)].to_numpy()
        if not len(kept):
            raise DataError(f"No gene is expressed in at least {min_cells:,} cells.")
        medians = grouped.median().reindex(kept).to_numpy()
        names = np.array(list(keys), dtype=object)[kept].astype(str)
        tokens = np.arange(2, 2 + len(kept), dtype=np.int64)
        return cls(np.array(ids, dtype=object)[kept].astype(str), tokens, medians, names, name)


def gene_names(cells: AnnData) -> tuple[list[str], list[str]]:
    """Id (Ensembl without version where there is one) and symbol of each column of ``cells``."""
    given = [_unversioned(str(gene)) for gene in cells.var_names]
    ids, symbols = list(given), list(given)
    frame: Any = cells.var
    for names, columns, wanted in ((ids, ID_COLUMNS, True), (symbols, SYMBOL_COLUMNS, False)):
        column = next((c for c in columns if c in frame), None)
        if column is None:
            continue
        for i, value in enumerate(frame[column]):
            text = _unversioned(str(value).strip())
            usable = isinstance(value, str) and text not in ("", "nan", "None")
            if usable and bool(ENSEMBL.fullmatch(text)) is wanted:
                names[i] = text
    return ids, symbols


def gene_columns(cells: AnnData, vocabulary: Vocabulary) -> tuple[np.ndarray, np.ndarray]:
    """Position in the vocabulary of each column of ``cells``, −1 where unknown.

    An Ensembl id decides where the vocabulary has it; otherwise the symbol.

    Returns
    -------
    tuple
        Positions int64 ``(n_genes,)``, and whether they were found by id, bool ``(n_genes,)``.
    """
    ids, symbols = gene_names(cells)
    by_id, by_symbol = vocabulary.index_of(ids), vocabulary.index_of(symbols)
    return np.where(by_id >= 0, by_id, by_symbol), by_id >= 0


def _unversioned(gene: str) -> str:
    gene = gene.strip()
    return gene.split(".")[0] if ENSEMBL.fullmatch(gene) else gene
