"""Data sets of the cell explorer, opened once for all sessions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st
from anndata import AnnData

from core.data import attachments, load_cells, store
from core.data.expression import IN_MEMORY, Expression, open_expression
from core.settings import get_settings
from pages.components.progress import reporting

COUNTS = "counts"
#: Carried by the app: healthy and leukaemic bone marrow.
EXAMPLE = "bone-marrow-aml"
#: Key of the two components that are computed on opening where a set has no embedding.
QUICK = "PCA (quick)"
QUICK_PCA = 20_000
#: Bytes of a stored file above which its matrix stays on disk.
BACKED_BYTES = 8 * IN_MEMORY


def _file(id: str) -> Path:
    return store.folder_of(id, get_settings()) / store.H5AD


@st.cache_resource(max_entries=3, show_spinner="Opening the cells …")
def _cells(id: str, content_hash: str, stamp: str) -> AnnData:
    file = _file(id)
    if file.exists() and file.stat().st_size > BACKED_BYTES:
        import anndata

        return attachments.add_attached(anndata.read_h5ad(file, backed="r"), id, get_settings())
    return load_cells(id, get_settings())


def key_of(id: str, content_hash: str) -> str:
    """What identifies the cells with all that was computed for them."""
    return f"{content_hash}{attachments.stamp(id, get_settings())}"


def cells(id: str, content_hash: str) -> AnnData:
    """The cells of a data set: in memory, or backed by their file where that is large.

    Opened once for all sessions, and again where something was computed for them since.
    """
    return _cells(id, content_hash, attachments.stamp(id, get_settings()))


def kind_of_values(id: str) -> str:
    """What ``X`` holds, as it was understood when the data set came in."""
    meta = store.read_meta(store.folder_of(id, get_settings())) or {}
    return str(meta.get("values", "non-negative values"))


@st.cache_resource(max_entries=3, show_spinner=False)
def expression(content_hash: str, counts: bool, _cells: AnnData) -> Expression:
    """The copy by gene of a data set; large ones are mapped from the workspace's cache."""
    cache = get_settings().workspace / "cache" / "by_gene" / content_hash
    with reporting("Sorting values by gene, once") as on_progress:
        return open_expression(_cells, counts=counts, cache=cache, on_progress=on_progress)


def is_number(column: pd.Series) -> bool:
    """Whether a column is a number rather than a name."""
    return bool(
        pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column.dtype)
    )


@st.cache_data(max_entries=8, show_spinner=False)
def groupings(key: str, _cells: AnnData, most: int) -> list[str]:
    """Columns with 2 to ``most`` groups, of which whole numbers count as groups up to 30."""
    found = []
    for name in _cells.obs:
        column = _cells.obs[name]
        if is_number(column):
            whole = pd.api.types.is_integer_dtype(column)
            n = column.nunique() if whole else 0
            if 2 <= n <= 30:
                found.append(str(name))
        elif 2 <= column.nunique() <= most:
            found.append(str(name))
    return found


def labels(column: pd.Series) -> pd.Series:
    """A column as categorical text, missing values as ``(missing)``, index from 0."""
    words = column.reset_index(drop=True)
    if not isinstance(words.dtype, pd.CategoricalDtype):
        words = words.astype("category")
    words = words.cat.rename_categories([str(c) for c in words.cat.categories])
    words = words.cat.remove_unused_categories()
    if words.isna().any():
        words = words.cat.add_categories("(missing)").fillna("(missing)")
    return words


@st.cache_resource(max_entries=8, show_spinner=False)
def embeddings(key: str, _cells: AnnData, _expression: Expression) -> dict[str, np.ndarray]:
    """Embeddings of the cells, the widely used ones first; a quick PCA where there is none."""
    order = ("X_umap", "X_tsne", "X_pca")
    keys = sorted(_cells.obsm.keys(), key=lambda k: (order.index(k) if k in order else 9, k))
    found = {}
    for name in keys:
        values = np.asarray(_cells.obsm[name])
        if values.ndim == 2 and values.shape[1] >= 2 and values.dtype.kind in "fiu":
            found[str(name)] = np.ascontiguousarray(values, dtype=np.float32)
    if not found and 3 <= _cells.n_obs <= QUICK_PCA and _cells.n_vars >= 3:
        found[QUICK] = _quick_pca(_expression)
    return found


def _quick_pca(expression: Expression) -> np.ndarray:
    """Two principal components of the most variable genes, so that there is something to see."""
    from core.models.principal import principal_components

    values = expression.by_gene()
    mean = np.asarray(values.mean(axis=0)).ravel()
    variance = np.asarray(values.multiply(values).mean(axis=0)).ravel() - mean**2
    top = np.sort(np.argsort(-variance, kind="stable")[:1000])
    dense = np.asarray(values[:, top].todense(), dtype=np.float32)
    return principal_components(dense - dense.mean(axis=0), 2).scores
