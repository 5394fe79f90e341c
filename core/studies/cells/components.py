"""Principal components of a data set: what was computed for it, or what came with its file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from core.data.attachments import attached
from core.settings import Settings
from core.studies.cells.cache import PCA, StageCache, stage_keys
from core.studies.cells.config import CellsConfig

if TYPE_CHECKING:
    from anndata import AnnData


@dataclass(frozen=True)
class Components:
    """Loadings and explained variance.

    Attributes
    ----------
    ratio
        ``(n_pcs,)`` share of the total variance; None where the file does not tell.
    loadings
        ``(n_genes, n_pcs)`` by gene, columns ``PC1`` and so on.
    config
        How they were computed; None where they came with the file.
    """

    ratio: np.ndarray | None
    loadings: pd.DataFrame
    config: CellsConfig | None


def components(
    dataset_id: str, content_hash: str, cells: AnnData, settings: Settings
) -> Components | None:
    """Components that were computed for a data set, else those of its file, else None."""
    about = attached(dataset_id, settings)["obsm"].get("X_pca")
    if about is not None:
        config = CellsConfig.model_validate(about)
        arrays = StageCache(settings).read(stage_keys(content_hash, config)[PCA])
        if arrays is not None and "genes" in arrays:
            return Components(
                arrays["ratio"], _frame(arrays["loadings"], list(arrays["genes"])), config
            )
    if "PCs" not in cells.varm:
        return None
    values = np.asarray(cells.varm["PCs"], dtype=np.float32)
    used = np.any(values != 0, axis=1)
    ratio = cells.uns.get("pca", {}).get("variance_ratio")
    genes = [str(name) for name in cells.var_names[used]]
    return Components(
        None if ratio is None else np.asarray(ratio), _frame(values[used], genes), None
    )


def _frame(values: np.ndarray, genes: list[str]) -> pd.DataFrame:
    columns = pd.Index([f"PC{i + 1}" for i in range(values.shape[1])])
    return pd.DataFrame(values, index=pd.Index([str(gene) for gene in genes]), columns=columns)
