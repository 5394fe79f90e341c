"""Cells as the landmark study sees them: log-normalised, split by type, genes by symbol.

Everything that predicts, selects or compares genes begins from one :class:`LandmarkData`, so that
its figures can be held beside each other.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

from core.data.cells import ENSEMBL, MOST, SYMBOL_COLUMNS, cells_hash
from core.data.facts import landmark_genes
from core.data.signatures import GeneMatch, match_genes
from core.errors import ConfigError, DataError
from core.settings import Settings, get_settings
from core.studies.base import StudyConfig
from core.studies.landmarks.config import LandmarkDataConfig

if TYPE_CHECKING:
    from anndata import AnnData

#: Columns of ``obs`` that hold cell types, the first that is there counts.
LABEL_COLUMNS = ("cell_type", "celltype", "cell_type1", "cluster_id", "CellType", "label", "subpop")
#: A type with fewer cells is joined with the other rare ones when cells are split.
LEAST_OF_A_TYPE = 10
#: Share of a split's training cells that judge when to stop and which model weighs how much.
VALIDATION_SHARE = 0.1


@dataclass(frozen=True)
class Split:
    """Positions of cells; ``fit`` and ``validation`` together are ``train``.

    Attributes
    ----------
    train
        80 % of the cells: all that any fitting, scaling or selection may see.
    test
        The other 20 %, that only the final scores see.
    fit, validation
        Nine tenths and one tenth of ``train``, for early stopping and stacking.
    seed
        Of the split.
    """

    train: np.ndarray
    test: np.ndarray
    fit: np.ndarray
    validation: np.ndarray
    seed: int


@dataclass(frozen=True)
class LandmarkData:
    """Log-normalised cells × genes with symbols, cell types and the L1000 genes among them.

    Attributes
    ----------
    id
        Id of the data set.
    X
        ``log(1 + scale · count / total)``, dense float32 ``(n_cells, n_genes)``, read-only.
    counts
        The same cells and genes as counts, CSR float32.
    genes
        Unique symbols, as the file writes them, ``(n_genes,)``.
    gene_ids
        Ensembl ids, or empty texts, ``(n_genes,)``.
    cell_types
        ``(n_cells,)`` of str; ``"all cells"`` everywhere where the file has no types.
    obs
        All columns that describe the cells, indexed by the cells' names.
    library_size
        Reads of each cell over the genes by which cells were judged, ``(n_cells,)``.
    label_key
        Column that the cell types are from, or None.
    steps
        What was removed and normalised, one sentence a step.
    content_hash
        Of the stored data set and the configuration: key of caches.
    """

    id: str
    X: np.ndarray
    counts: sparse.csr_matrix
    genes: pd.Index
    gene_ids: np.ndarray
    cell_types: np.ndarray
    obs: pd.DataFrame
    library_size: np.ndarray
    label_key: str | None
    steps: tuple[str, ...]
    content_hash: str
    simulated: bool = False
    config: LandmarkDataConfig = field(default_factory=LandmarkDataConfig)

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return self.X.shape[0]

    @property
    def n_genes(self) -> int:
        """Number of genes."""
        return self.X.shape[1]

    @cached_property
    def l1000(self) -> GeneMatch:
        """Where the 978 L1000 genes are: found as given, under a new symbol, or not measured."""
        return self.match(landmark_genes()["gene_symbol"])

    @cached_property
    def l1000_report(self) -> pd.DataFrame:
        """How each L1000 gene was found: ``given, gene, status``."""
        return match_report(self.l1000)

    @cached_property
    def is_landmark(self) -> np.ndarray:
        """Whether a gene is one of the L1000 landmarks, bool ``(n_genes,)``."""
        return self.mask(self.l1000.matched.values())

    def match(self, symbols: Iterable[str]) -> GeneMatch:
        """Find symbols among the genes: as given, renamed since, or (mouse) in other letters."""
        upper = {gene.upper(): gene for gene in reversed(list(map(str, self.genes)))}
        found = match_genes(symbols, upper)
        matched = {given: upper[gene] for given, gene in found.matched.items()}
        renamed = {
            given: gene
            for given, gene in matched.items()
            if given in found.renamed and gene.upper() != given.upper()
        }
        return GeneMatch(matched, renamed, found.unknown, found.absent)

    def mask(self, genes: Iterable[str]) -> np.ndarray:
        """Bool ``(n_genes,)``: which genes are among ``genes``, symbols of this data set."""
        return np.asarray(self.genes.isin(list(genes)), dtype=bool)

    def positions(self, genes: Iterable[str]) -> np.ndarray:
        """Columns of ``genes`` in their order, int64.

        Raises
        ------
        DataError
            If one is not measured here.
        """
        wanted = list(genes)
        found = self.genes.get_indexer(pd.Index(wanted))
        if (found < 0).any():
            missing = wanted[int(np.flatnonzero(found < 0)[0])]
            raise DataError(f"The gene '{missing}' is not among the {self.n_genes:,} genes kept.")
        return found.astype(np.int64)

    def split(self, seed: int = 0) -> Split:
        """80 % training and 20 % test cells, stratified by cell type; see :class:`Split`."""
        everyone = np.arange(self.n_cells)
        train, test = _divide(everyone, self.cell_types, self.config.test_share, seed)
        fit, validation = _divide(train, self.cell_types, VALIDATION_SHARE, seed)
        return Split(train, test, fit, validation, seed)

    def splits(self, n: int, seed: int = 0) -> list[Split]:
        """``n`` independent splits, with the seeds ``seed``, ``seed + 1`` and so on."""
        return [self.split(seed + i) for i in range(n)]


def match_report(match: GeneMatch) -> pd.DataFrame:
    """How symbols were found among the kept genes: ``given, gene, status``."""
    return match.table().replace({"status": {"absent from the model": "not measured here"}})


def load_landmark_data(
    dataset_id: str, config: LandmarkDataConfig | None = None, settings: Settings | None = None
) -> LandmarkData:
    """Open a prepared cell data set as :class:`LandmarkData`.

    Raises
    ------
    DataError
        Where it is not prepared, has no counts, no symbols, or too little is left of it.
    """
    from core.data import get_dataset, load_cells

    settings = settings or get_settings()
    cells = load_cells(dataset_id, settings)
    status = get_dataset(dataset_id, settings)
    return landmark_data(
        cells,
        config,
        id=dataset_id,
        simulated=status.simulated,
        content_hash=status.content_hash,
    )


def landmark_data(
    cells: AnnData,
    config: LandmarkDataConfig | None = None,
    *,
    id: str = "cells",
    simulated: bool = False,
    content_hash: str | None = None,
) -> LandmarkData:
    """Filter and normalise cells; ``cells`` is not modified.

    Cells of too few reads go first, then genes with too few reads in the cells that are left
    (the other way round with ``genes_first``); a cell is then scaled by its total over the kept
    genes. The filters see all cells, for they say which genes are measured at all; whatever is
    fitted or selected later sees training cells only.

    Raises
    ------
    DataError
        Without counts or symbols, or where fewer than 50 cells or 20 genes are left.
    ConfigError
        Where the configured column of cell types does not exist.
    """
    from core.studies.landmarks.preparing import prepared

    config = config or LandmarkDataConfig()
    named = _with_symbols(cells, id)
    label_key = _label_key(named, config.label_key)
    kept, steps = prepared(named, config, label_key)
    if kept.n_obs < 50 or kept.n_vars < 20:
        raise DataError(
            f"Only {kept.n_obs} cells and {kept.n_vars} genes of '{id}' pass the filters; at least "
            "50 cells and 20 genes are needed."
        )
    X = np.asarray(kept.X.toarray() if sparse.issparse(kept.X) else kept.X, dtype=np.float32)
    X = np.ascontiguousarray(X)
    X.setflags(write=False)
    types = (
        np.full(kept.n_obs, "all cells", dtype=object)
        if label_key is None
        else kept.obs[label_key].astype(object).fillna("unknown").astype(str).to_numpy()
    )
    gene_ids = kept.var["gene_ids"] if "gene_ids" in kept.var else pd.Series("", kept.var_names)
    return LandmarkData(
        id=id,
        X=X,
        counts=sparse.csr_matrix(kept.layers["counts"]),
        genes=pd.Index(kept.var_names.astype(str), name=None),
        gene_ids=gene_ids.astype(str).to_numpy(),
        cell_types=types,
        obs=kept.obs,
        library_size=kept.obs["counts"].to_numpy(dtype=np.float64),
        label_key=label_key,
        steps=tuple(steps),
        content_hash=f"{content_hash or cells_hash(cells)}-{_config_key(config)}",
        simulated=simulated,
        config=config,
    )


def _config_key(config: StudyConfig) -> str:
    import hashlib

    return hashlib.sha256(config.model_dump_json().encode()).hexdigest()[:16]


def _with_symbols(cells: AnnData, id: str) -> AnnData:
    """A shallow copy whose genes are unique symbols, with Ensembl ids in ``var['gene_ids']``."""
    import anndata

    names = cells.var_names.astype(str)
    var = pd.DataFrame(index=pd.RangeIndex(cells.n_vars))
    if "gene_ids" in cells.var:
        var["gene_ids"] = cells.var["gene_ids"].astype(str).to_numpy()
    if np.mean([bool(ENSEMBL.fullmatch(name)) for name in names]) >= MOST:
        column = next((name for name in SYMBOL_COLUMNS if name in cells.var), None)
        if column is None:
            raise DataError(
                f"The genes of '{id}' are named by Ensembl ids and the file has no symbols for "
                "them (a column such as var['gene_symbols']), so landmark genes cannot be found."
            )
        var["gene_ids"] = names.to_numpy()
        symbols = cells.var[column].astype(object)
        missing = symbols.isna().to_numpy() | (symbols.astype(str) == "").to_numpy()
        names = pd.Index(np.where(missing, names, symbols.astype(str)))
    layers = {"counts": cells.layers["counts"]} if "counts" in cells.layers else {}
    var.index = anndata.utils.make_index_unique(names)
    return anndata.AnnData(X=cells.X, obs=cells.obs.copy(), var=var, layers=layers)


def _label_key(cells: AnnData, wanted: str | None) -> str | None:
    if wanted:
        if wanted not in cells.obs:
            known = ", ".join(map(str, cells.obs.columns)) or "none"
            raise ConfigError(f"There is no column '{wanted}' of cells; known: {known}.")
        return wanted
    return next((name for name in LABEL_COLUMNS if name in cells.obs), None)


def _divide(
    rows: np.ndarray, types: np.ndarray, share: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Divide ``rows`` by ``share`` within every cell type; types too rare for it are pooled."""
    from sklearn.model_selection import train_test_split

    names = pd.Series(types[rows].astype(str))
    sizes = names.map(names.value_counts())
    strata = names.where(sizes >= LEAST_OF_A_TYPE, "\0rare")
    if (strata == "\0rare").sum() == 1:
        strata = strata.replace("\0rare", str(names.mode()[0]))
    enough = strata.nunique() <= round(share * len(rows))
    first, second = train_test_split(
        rows, test_size=share, random_state=seed, stratify=strata if enough else None
    )
    return np.sort(first), np.sort(second)
