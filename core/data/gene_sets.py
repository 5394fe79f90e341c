"""Gene sets: reading GMT files, and the Gene Ontology sets that the app carries."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse

from core.errors import DataError
from core.settings import ASSETS

#: Largest decompressed GMT that is read, in bytes: the whole of MSigDB is a tenth of it.
MAX_GMT_BYTES = 256 * 2**20
GZIP_MAGIC = b"\x1f\x8b"


@dataclass(frozen=True)
class GeneSets:
    """Named sets of genes as one sparse membership matrix.

    Attributes
    ----------
    name
        What the collection is, with its citation.
    terms
        Names of the sets, shape ``(n_sets,)``.
    genes
        Union of all members, shape ``(n_genes,)``.
    membership
        Boolean CSR ``(n_sets, n_genes)``.
    """

    name: str
    terms: pd.Index
    genes: pd.Index
    membership: sparse.csr_matrix

    def __len__(self) -> int:
        return len(self.terms)

    def members(self, term: str) -> list[str]:
        """Genes of one set, in the collection's gene order."""
        row = self.membership[self.terms.get_loc(term)]
        return self.genes[row.indices].tolist()

    def in_capitals(self) -> GeneSets:
        """The collection with its symbols in capitals, so that mouse genes find their namesakes.

        It stays as it is where two of its genes would become one.
        """
        upper = pd.Index([str(gene).upper() for gene in self.genes])
        if upper.has_duplicates:
            return self
        return GeneSets(self.name, self.terms, upper, self.membership)


def gene_sets_from_dict(sets: Mapping[str, Iterable[str]], *, name: str) -> GeneSets:
    """Build :class:`GeneSets` from term → genes; a gene counts once a set."""
    unique = {term: dict.fromkeys(genes) for term, genes in sets.items()}
    genes = pd.Index(dict.fromkeys(gene for members in unique.values() for gene in members))
    position = {gene: i for i, gene in enumerate(genes)}
    indices = np.fromiter(
        (position[gene] for members in unique.values() for gene in members), dtype=np.int64
    )
    indptr = np.cumsum([0, *(len(members) for members in unique.values())])
    membership = sparse.csr_matrix(
        (np.ones(len(indices), dtype=bool), indices, indptr), shape=(len(unique), len(genes))
    )
    membership.sort_indices()
    return GeneSets(name, pd.Index(list(unique)), genes, membership)


def read_gmt(path: Path, *, name: str | None = None) -> GeneSets:
    """Read a GMT file, plain or gzipped: a line is ``term <tab> description <tab> gene …``.

    Raises
    ------
    DataError
        If the file is empty, too large, not text, or a line has no gene; the line is named.
    """
    try:
        with path.open("rb") as handle:
            zipped = handle.read(2) == GZIP_MAGIC
        with gzip.open(path, "rb") if zipped else path.open("rb") as stream:
            raw = stream.read(MAX_GMT_BYTES + 1)
        if len(raw) > MAX_GMT_BYTES:
            raise DataError(f"{path.name} is larger than {MAX_GMT_BYTES >> 20} MB unpacked.")
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"{path.name} is not a text file, so it cannot be a GMT file.") from None
    except (EOFError, gzip.BadGzipFile):
        raise DataError(f"{path.name} is a damaged gzip file; fetch it again.") from None
    except OSError as error:
        raise DataError(f"{path.name} cannot be read: {error.strerror or error}.") from None

    sets: dict[str, list[str]] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        term, *rest = (cell.strip() for cell in line.split("\t"))
        genes = [gene for gene in rest[1:] if gene]
        if not term or not genes:
            raise DataError(
                f"{path.name}, line {number}: a GMT line is a term, a description and at least "
                "one gene, separated by tabs."
            )
        if term in sets:
            raise DataError(f"{path.name}, line {number}: the term '{term}' occurs twice.")
        sets[term] = genes
    if not sets:
        raise DataError(f"{path.name} holds no gene sets.")
    return gene_sets_from_dict(sets, name=name or path.name)


@lru_cache(maxsize=1)
def go_biological_process() -> GeneSets:
    """Human Gene Ontology biological processes (2022, propagated, 10–500 genes; CC BY 4.0)."""
    return read_gmt(
        ASSETS / "go_bp_human_2022.gmt.gz", name="GO Biological Process 2022 (CC BY 4.0)"
    )
