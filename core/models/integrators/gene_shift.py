"""How far a correction moved each gene."""

from __future__ import annotations

import numpy as np
import pandas as pd

from core.models.integrators.base import Batches


def gene_shift(
    before: np.ndarray, after: np.ndarray, batches: Batches, genes: pd.Index
) -> pd.DataFrame:
    """Mean change in log expression, one row a gene and one column a batch, plus ``rms``.

    Parameters
    ----------
    before, after
        Log expression ``(n, n_genes)``.
    batches
        Of the ``n`` cells.
    genes
        Names ``(n_genes,)``.

    Returns
    -------
    Frame indexed by gene; column ``rms`` is the root mean square change over all cells.
    """
    change = after - before
    columns = {
        name: change[batches.codes == code].mean(axis=0) for code, name in enumerate(batches.names)
    }
    frame = pd.DataFrame(columns, index=pd.Index(genes, name="gene"), dtype=np.float32)
    frame["rms"] = np.sqrt(np.square(change).mean(axis=0))
    return frame
