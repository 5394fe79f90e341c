"""Signatures of genes: lists, differential-expression tables, two groups of cells."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from core.data.facts import landmark_genes, op2_genes
from core.data.gene_renames import former, renames
from core.data.gene_sets import go_biological_process
from core.errors import DataError
from core.settings import ASSETS

if TYPE_CHECKING:
    from anndata import AnnData

#: Most symbols that one list may hold.
MAX_GENES = 20_000
N_TOP = 150
ALPHA = 0.05
BONE_MARROW = "bone_marrow_aml_healthy.h5ad"
_SYMBOL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@/-]{0,49}")
_GENE = ("gene", "genes", "symbol", "genesymbol", "genename", "names", "name", "feature", "id")
_STATISTIC = ("score", "scores", "stat", "statistic", "t", "tvalue", "z", "zscore", "weight")
_CHANGE = ("logfc", "log2fc", "logfoldchange", "logfoldchanges", "log2foldchange", "avglog2fc")
_ADJUSTED = ("padj", "adjpval", "fdr", "pvalsadj", "qvalue", "pvaladj", "qval", "adjustedpvalue")


@dataclass(frozen=True)
class Signature:
    """Genes that are up and down, with a signed weight each.

    Attributes
    ----------
    up, down
        Gene symbols, strongest first; no gene is in both.
    weights
        Signed weight of every gene: positive for ``up``, negative for ``down``. Lists alone
        weigh +1 and −1.
    source
        Where it comes from, in words.
    """

    up: tuple[str, ...]
    down: tuple[str, ...] = ()
    weights: Mapping[str, float] = field(default_factory=dict)
    source: str = ""

    def __post_init__(self) -> None:
        both = set(self.up) & set(self.down)
        if both:
            raise DataError(f"The gene '{min(both)}' is in both lists, up and down.")
        if not self.up and not self.down:
            raise DataError("The signature holds no gene.")
        known = dict.fromkeys(self.up, 1.0) | dict.fromkeys(self.down, -1.0)
        object.__setattr__(self, "weights", known | dict(self.weights))

    def table(self) -> pd.DataFrame:
        """``gene``, ``weight``, ``direction``, up first."""
        genes = [*self.up, *self.down]
        return pd.DataFrame(
            {
                "gene": genes,
                "weight": [float(self.weights[gene]) for gene in genes],
                "direction": ["up"] * len(self.up) + ["down"] * len(self.down),
            }
        )


def parse_gene_list(text: str) -> tuple[str, ...]:
    """Symbols of pasted text, separated by white space, commas or semicolons, each once.

    Raises
    ------
    DataError
        Naming the first word that cannot be a gene symbol, or where there are too many.
    """
    words = [word for word in re.split(r"[\s,;]+", text.strip().strip("\ufeff")) if word]
    for word in words:
        if not _SYMBOL.fullmatch(word):
            raise DataError(f"'{word[:40]}' is not a gene symbol.")
    if len(words) > MAX_GENES:
        raise DataError(f"The list has {len(words):,} genes; at most {MAX_GENES:,} are read.")
    return tuple(dict.fromkeys(words))


def read_de_table(path: Path, *, n_top: int = N_TOP, alpha: float = ALPHA) -> Signature:
    """Signature of a differential-expression table (CSV, TSV, gzipped or not).

    Parameters
    ----------
    path
        A table with a gene column, and a statistic or a log fold change; with adjusted p-values
        only genes below ``alpha`` count.
    n_top
        Most genes of each direction, by the size of the statistic.

    Raises
    ------
    DataError
        Where a column is missing, or no gene passes.
    """
    from core.data.readers.delimited import read_delimited

    frame, _ = read_delimited(Path(path))
    frame = frame.loc[:, ~frame.columns.duplicated()]
    columns = {re.sub(r"[^a-z0-9]", "", str(name).lower()): name for name in frame}
    gene = next((columns[word] for word in _GENE if word in columns), frame.columns[0])
    value = next((columns[word] for word in (*_STATISTIC, *_CHANGE) if word in columns), None)
    if value is None or value == gene:
        raise DataError(
            f"{Path(path).name} has no column of a statistic or a log fold change; it has: "
            f"{', '.join(map(str, frame.columns[:12]))}."
        )
    adjusted = next((columns[word] for word in _ADJUSTED if word in columns), None)
    p = pd.to_numeric(frame[adjusted], errors="coerce") if adjusted is not None else None
    values = pd.to_numeric(frame[value], errors="coerce")
    source = f"{Path(path).name}, column '{value}'"
    return _strongest(frame[gene].astype(str), values, p, n_top, alpha, source)


def signature_from_cells(
    cells: AnnData,
    groupby: str,
    case: str,
    control: str,
    n_top: int = N_TOP,
    method: Literal["wilcoxon", "t-test"] = "wilcoxon",
) -> Signature:
    """Genes that differ between two groups of cells, case against control.

    Parameters
    ----------
    cells
        ``(n_cells, n_genes)``, log scale; raw counts are normalised to 10,000 a cell and logged.
    groupby, case, control
        Column of ``obs`` and two of its values; other cells are left out.
    n_top
        Most genes of each direction, by the test's statistic, among those with a Benjamini–
        Hochberg false-discovery rate below 0.05.
    method
        Rank-sum test or Welch's t-test, by scanpy.

    Raises
    ------
    DataError
        Where the column or a group is missing, or has fewer than three cells.
    """
    import scanpy as sc

    if groupby not in cells.obs:
        raise DataError(f"The cells have no column '{groupby}'.")
    groups = cells.obs[groupby].astype(str)
    for group in (case, control):
        n = int((groups == group).sum())
        if n < 3:
            raise DataError(f"The group '{group}' of '{groupby}' has {n} cells; 3 are needed.")
    chosen = cells[groups.isin([case, control]).to_numpy()].copy()
    chosen.obs[groupby] = pd.Categorical(chosen.obs[groupby].astype(str))
    if _is_counts(chosen.X):
        sc.pp.normalize_total(chosen, target_sum=1e4)
        sc.pp.log1p(chosen)
    chosen.uns["log1p"] = {"base": None}
    sc.tl.rank_genes_groups(chosen, groupby, groups=[case], reference=control, method=method)
    table = sc.get.rank_genes_groups_df(chosen, group=case)
    source = f"{case} against {control} ({groupby}; {method})"
    return _strongest(
        table["names"].astype(str), table["scores"], table["pvals_adj"], n_top, ALPHA, source
    )


def bone_marrow_example() -> AnnData:
    """Bone marrow, healthy (527 cells) and acute myeloid leukaemia (473), 1,000 genes, log scale.

    Measurements of Zheng et al., *Nat. Commun.* 8, 14049 (2017), 10x Genomics, CC BY 4.0, as
    sampled in the package orange3-singlecell. ``obs["Type"]`` is ``healthy`` or ``AML``.
    """
    import anndata

    path = ASSETS / BONE_MARROW
    if not path.is_file():
        raise DataError(f"The example {path} is missing; restore it from the repository.")
    return anndata.read_h5ad(path)


def leukaemia_signature(n_top: int = N_TOP) -> Signature:
    """Leukaemic against healthy bone marrow, from :func:`bone_marrow_example`."""
    return signature_from_cells(bone_marrow_example(), "Type", "AML", "healthy", n_top)


@dataclass(frozen=True)
class GeneMatch:
    """How given genes were found in a model.

    Attributes
    ----------
    matched
        Given symbol → the model's symbol, renamed ones included.
    renamed
        Those of ``matched`` that the model knows by another symbol.
    unknown
        Not a symbol that we know.
    absent
        Known genes that the model does not predict.
    """

    matched: dict[str, str]
    renamed: dict[str, str]
    unknown: tuple[str, ...]
    absent: tuple[str, ...]

    def words(self) -> str:
        """One sentence with the four counts."""
        return (
            f"{len(self.matched)} matched ({len(self.renamed)} by another symbol), "
            f"{len(self.absent)} known but absent from the model, {len(self.unknown)} unknown."
        )

    def table(self) -> pd.DataFrame:
        """``given``, ``gene`` (the model's symbol, or empty) and ``status``."""
        rows = [
            (given, gene, "renamed" if given in self.renamed else "matched")
            for given, gene in self.matched.items()
        ]
        rows += [(given, "", "absent from the model") for given in self.absent]
        rows += [(given, "", "unknown") for given in self.unknown]
        return pd.DataFrame(rows, columns=["given", "gene", "status"])


def match_genes(genes: Iterable[str], model_genes: Iterable[str]) -> GeneMatch:
    """Find given symbols among a model's: as they are, in capitals, or under a documented rename."""
    model = set(model_genes)
    matched: dict[str, str] = {}
    renamed: dict[str, str] = {}
    unknown: list[str] = []
    absent: list[str] = []
    for given in dict.fromkeys(str(gene).strip() for gene in genes):
        found = next((gene for gene in _spellings(given) if gene in model), None)
        if found is not None:
            matched[given] = found
            if found != given:
                renamed[given] = found
        elif any(gene in known_symbols() for gene in _spellings(given)):
            absent.append(given)
        else:
            unknown.append(given)
    return GeneMatch(matched, renamed, tuple(unknown), tuple(absent))


def match_signature(
    signature: Signature, model_genes: Sequence[str] | pd.Index
) -> tuple[Signature, GeneMatch]:
    """A signature in a model's symbols, without the genes that the model does not predict.

    Raises
    ------
    DataError
        Where no gene of it is in the model.
    """
    match = match_genes([*signature.up, *signature.down], model_genes)
    found = match.matched
    if not found:
        raise DataError("None of the signature's genes is predicted by this model.")
    return (
        Signature(
            tuple(dict.fromkeys(found[gene] for gene in signature.up if gene in found)),
            tuple(dict.fromkeys(found[gene] for gene in signature.down if gene in found)),
            {found[gene]: weight for gene, weight in signature.weights.items() if gene in found},
            signature.source,
        ),
        match,
    )


@lru_cache(maxsize=1)
def known_symbols() -> frozenset[str]:
    """Human symbols that we know: the competition's, the landmarks', those of GO, the renamed."""
    return frozenset(
        {*op2_genes(), *landmark_genes()["gene_symbol"], *go_biological_process().genes}
        | {*renames(), *renames().values()}
    )


def _spellings(given: str) -> list[str]:
    upper = given.upper()
    found = [given, upper]
    for spelling in (given, upper):
        found += [table[spelling] for table in (renames(), former()) if spelling in table]
    return found


def _strongest(
    genes: pd.Series,
    values: pd.Series,
    p: pd.Series | None,
    n_top: int,
    alpha: float,
    source: str,
) -> Signature:
    table = pd.DataFrame({"gene": genes.str.strip(), "value": values})
    keep = np.isfinite(table["value"]) & (table["gene"] != "") & (table["value"] != 0)
    if p is not None:
        keep &= p < alpha
    table = table[keep]
    table = table.iloc[np.argsort(-table["value"].abs().to_numpy(), kind="stable")]
    table = table.drop_duplicates("gene")
    if table.empty:
        what = f" with a false-discovery rate below {alpha}" if p is not None else ""
        raise DataError(f"No gene{what} is left for a signature ({source}).")
    up = table[table["value"] > 0].head(n_top)
    down = table[table["value"] < 0].head(n_top)
    both = pd.concat([up, down])
    weights = dict(zip(both["gene"], both["value"].astype(float), strict=True))
    return Signature(tuple(up["gene"]), tuple(down["gene"]), weights, source)


def _is_counts(matrix: object) -> bool:
    values = np.asarray(getattr(matrix, "data", matrix)).ravel()[:100_000]
    return bool(len(values)) and bool(np.all(values >= 0) and np.all(values == np.round(values)))
