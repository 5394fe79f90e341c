"""What the exploration page shows of a perturbation table.

Pure functions from a :class:`~core.data.table.PerturbationTable` to frames; ``rows`` are row
positions (default: all), so that train and test rows can be looked at apart.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from core.data.table import SPLITS, PerturbationTable
from core.errors import DataError

#: Normal-consistent scale of a median absolute deviation.
MAD_SCALE = 1.4826
_GENES_AT_ONCE = 2048


def row_positions(table: PerturbationTable, rows: np.ndarray | None) -> np.ndarray:
    """``rows``, or all rows of the table where None is given."""
    return np.arange(table.n_pairs) if rows is None else np.asarray(rows)


def design(table: PerturbationTable) -> pd.DataFrame:
    """Every pair of the design, measured or not.

    Returns
    -------
    DataFrame
        Columns ``cell_type``, ``sm_name``, ``split``, ``measured``; one row a pair.
    """
    columns = ["cell_type", "sm_name", "split"]
    parts = [table.obs[columns].assign(measured=True)]
    if table.unmeasured is not None and len(table.unmeasured):
        parts.append(table.unmeasured[columns].assign(measured=False))
    return pd.concat(parts, ignore_index=True)


def design_matrix(design: pd.DataFrame) -> pd.DataFrame:
    """Splits as a cell types × compounds frame of strings, empty where a pair is not designed.

    Compounds stand in order of the number of training cell types, then of name; cell types in
    order of their number of training pairs.
    """
    matrix = design.pivot_table(
        index="cell_type", columns="sm_name", values="split", aggfunc="first", observed=True
    )
    matrix = matrix.astype(object).where(matrix.notna(), "")
    train = matrix == SPLITS[0]
    n_train = train.sum(axis=0).to_dict()
    compounds = sorted(matrix.columns, key=lambda name: (-n_train[name], str(name).lower()))
    cell_types = train.sum(axis=1).sort_values(ascending=False, kind="stable").index
    return matrix.loc[cell_types, compounds]


def split_counts(design: pd.DataFrame) -> pd.DataFrame:
    """Number of pairs: cell types (most training pairs first) × splits."""
    counts = design.groupby(["cell_type", "split"], observed=True).size().unstack(fill_value=0)
    counts = counts.reindex(columns=[s for s in SPLITS if s in counts.columns])
    return counts.sort_values(list(counts.columns), ascending=False)


def gene_effect(
    table: PerturbationTable, symbol: str, rows: np.ndarray | None = None
) -> pd.DataFrame:
    """One gene's response in every pair: ``cell_type``, ``sm_name``, ``split``, ``value``.

    Raises
    ------
    DataError
        If the table does not measure ``symbol``.
    """
    rows = row_positions(table, rows)
    frame = table.obs.iloc[rows][["cell_type", "sm_name", "split"]].reset_index(drop=True)
    frame["value"] = table.gene(symbol)[rows]
    return frame


def gene_statistics(
    table: PerturbationTable, rows: np.ndarray | None = None, *, threshold: float = 2.0
) -> pd.DataFrame:
    """How each gene responds over pairs.

    Returns
    -------
    DataFrame
        Index: genes. ``mean``, ``sd`` (denominator n), ``mean_abs``; ``n_up`` and ``n_down``:
        pairs with a value of at least ``threshold`` or at most ``-threshold``;
        ``share_regulated``: both over the number of pairs.
    """
    rows = row_positions(table, rows)
    if not len(rows):
        raise DataError(f"The data set '{table.id}' has no rows to compute gene statistics from.")
    out = np.empty((5, table.n_genes), dtype=np.float64)
    for start in range(0, table.n_genes, _GENES_AT_ONCE):
        stop = min(start + _GENES_AT_ONCE, table.n_genes)
        if table.values_by_gene is not None:
            block = np.asarray(table.values_by_gene[start:stop])[:, rows]
        else:
            block = np.ascontiguousarray(np.asarray(table.values[:, start:stop])[rows].T)
        out[0, start:stop] = block.mean(axis=1, dtype=np.float64)
        out[1, start:stop] = block.std(axis=1, dtype=np.float64)
        out[2, start:stop] = np.abs(block).mean(axis=1, dtype=np.float64)
        out[3, start:stop] = (block >= threshold).sum(axis=1)
        out[4, start:stop] = (block <= -threshold).sum(axis=1)
    frame = pd.DataFrame(
        out.T, index=table.genes, columns=["mean", "sd", "mean_abs", "n_up", "n_down"]
    )
    frame = frame.astype({"n_up": np.int64, "n_down": np.int64})
    frame["share_regulated"] = (frame["n_up"] + frame["n_down"]) / len(rows)
    return frame


def mean_by_cell_type(
    table: PerturbationTable, genes: list[str], rows: np.ndarray | None = None
) -> pd.DataFrame:
    """Mean response of some genes (rows of the frame) in each cell type (columns)."""
    rows = row_positions(table, rows)
    cell_types = table.obs["cell_type"].astype(str).to_numpy()[rows]
    values = pd.DataFrame({gene: table.gene(gene)[rows] for gene in genes})
    return values.groupby(cell_types).mean().T


def pair_response(
    table: PerturbationTable, cell_type: str, sm_name: str, rows: np.ndarray | None = None
) -> pd.DataFrame:
    """One pair's response, beside what the gene does under the other compounds.

    A strong value may be the compound's own, or that of a gene which answers to everything. The
    specificity tells them apart: the distance of the value from the gene's median over the
    *other* compounds in the same cell type, in robust standard deviations (1.4826 MAD) plus
    their median over genes, so that quiet genes do not win by a small denominator (the constant
    of SAM, Tusher et al. 2001, https://doi.org/10.1073/pnas.091062498).

    Returns
    -------
    DataFrame
        Index: genes. ``value``, ``typical`` (median over the other compounds), ``specificity``,
        ``rank`` (1: highest value).

    Raises
    ------
    DataError
        If the pair is not in the table, or fewer than three other compounds are.
    """
    rows = row_positions(table, rows)
    obs = table.obs.iloc[rows]
    same_cell = (obs["cell_type"] == cell_type).to_numpy()
    same_compound = (obs["sm_name"] == sm_name).to_numpy()
    own, others = rows[same_cell & same_compound], rows[same_cell & ~same_compound]
    if not len(own):
        raise DataError(f"'{sm_name}' was not measured in '{cell_type}' in '{table.id}'.")
    if len(others) < 3:
        raise DataError(
            f"The specificity of a response needs three other compounds in '{cell_type}'; "
            f"'{table.id}' has {len(others)}."
        )
    value = np.asarray(table.values[own], dtype=np.float32).mean(axis=0)
    reference = np.asarray(table.values[others], dtype=np.float32)
    typical = np.median(reference, axis=0)
    spread = MAD_SCALE * np.median(np.abs(reference - typical), axis=0)
    scale = spread + np.median(spread)
    difference = value - typical
    specificity = np.divide(difference, scale, out=np.zeros_like(difference), where=scale > 0)
    frame = pd.DataFrame(
        {"value": value, "typical": typical, "specificity": specificity}, index=table.genes
    )
    frame["rank"] = frame["value"].rank(ascending=False, method="first").astype(np.int64)
    return frame


def ranked_heatmap(
    table: PerturbationTable,
    cell_type: str,
    sm_name: str,
    rows: np.ndarray | None = None,
    *,
    n: int = 20,
) -> pd.DataFrame:
    """The ``n`` highest and ``n`` lowest genes of a pair, over all cell types of the compound.

    Returns
    -------
    DataFrame
        Genes, from the highest to the lowest in ``cell_type``, × cell types (that one first).
    """
    rows = row_positions(table, rows)
    obs = table.obs.iloc[rows]
    of_compound = rows[(obs["sm_name"] == sm_name).to_numpy()]
    by_cell = {
        str(name): np.asarray(table.values[positions]).mean(axis=0)
        for name, positions in pd.Series(of_compound).groupby(
            table.obs["cell_type"].astype(str).to_numpy()[of_compound]
        )
    }
    if cell_type not in by_cell:
        raise DataError(f"'{sm_name}' was not measured in '{cell_type}' in '{table.id}'.")
    order = np.argsort(-by_cell[cell_type], kind="stable")
    n = min(n, table.n_genes // 2) or 1
    chosen = np.unique(np.concatenate([np.arange(n), np.arange(len(order) - n, len(order))]))
    columns = [cell_type, *(name for name in by_cell if name != cell_type)]
    return pd.DataFrame(
        {name: by_cell[name][order[chosen]] for name in columns}, index=table.genes[order[chosen]]
    )


def row_norms(table: PerturbationTable, rows: np.ndarray | None = None) -> pd.DataFrame:
    """How strong each pair's response is, and which stand out in their cell type.

    Returns
    -------
    DataFrame
        One row a pair, strongest first: ``row`` (position), ``cell_type``, ``sm_name``,
        ``split``, ``rms`` (root mean square over genes), ``share`` (of the sum of squares of
        all rows), ``modified_z`` (0.6745 (x − median) / MAD of log10 rms within the cell type),
        ``outlier`` (modified z above 3.5: Iglewicz & Hoaglin 1993).
    """
    rows = row_positions(table, rows)
    values = np.asarray(table.values)
    square = np.array([np.square(values[row], dtype=np.float64).mean() for row in rows])
    frame = table.obs.iloc[rows][["cell_type", "sm_name", "split"]].reset_index(drop=True)
    frame.insert(0, "row", rows)
    frame["rms"] = np.sqrt(square)
    frame["share"] = square / square.sum() if square.sum() > 0 else 0.0
    log = pd.Series(np.log10(np.maximum(frame["rms"].to_numpy(), 1e-12)))
    group = log.groupby(frame["cell_type"].astype(str).to_numpy())
    deviation = log - group.transform("median")
    mad = deviation.abs().groupby(frame["cell_type"].astype(str).to_numpy()).transform("median")
    frame["modified_z"] = np.where(mad > 0, 0.6745 * deviation / mad.where(mad > 0, 1), 0.0)
    frame["outlier"] = frame["modified_z"] > 3.5
    return frame.sort_values("rms", ascending=False, kind="stable").reset_index(drop=True)
