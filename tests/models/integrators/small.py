"""Small cells with known answers."""

from __future__ import annotations

import anndata
import numpy as np
import pandas as pd

N_GENES = 60


def islands(
    sizes: dict[str, dict[str, int]], *, shift: float = 0.0, seed: int = 0, noise: float = 0.25
) -> anndata.AnnData:
    """Log expression of cells: ``sizes[batch][kind]`` cells of each kind in each batch.

    Every kind has a profile of its own; batch ``b`` number ``i`` is shifted by ``i · shift`` along
    one direction of its own, the same for all kinds.
    """
    generator = np.random.default_rng(seed)
    kinds = sorted({kind for batch in sizes.values() for kind in batch})
    profiles = {kind: generator.gamma(0.6, 1.5, N_GENES) for kind in kinds}
    directions = generator.normal(size=(len(sizes), N_GENES))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    values, batches, labels = [], [], []
    for i, (batch, counts) in enumerate(sizes.items()):
        for kind, n in counts.items():
            cells = profiles[kind] + generator.normal(0, noise, (n, N_GENES))
            values.append(cells + i * shift * directions[i])
            batches += [batch] * n
            labels += [kind] * n
    obs = pd.DataFrame(
        {"batch": batches, "kind": labels}, index=[f"c{i}" for i in range(len(batches))]
    )
    var = pd.DataFrame(index=[f"g{i}" for i in range(N_GENES)])
    cells = anndata.AnnData(np.concatenate(values).astype(np.float32), obs=obs, var=var)
    generator.shuffle(order := np.arange(cells.n_obs))
    return cells[order].copy()


def between_batches(embedding: np.ndarray, cells: anndata.AnnData) -> float:
    """Distance of the batches' means over cells of the same kind, largest over kinds."""
    gaps = []
    for kind in cells.obs["kind"].unique():
        of_kind = (cells.obs["kind"] == kind).to_numpy()
        means = [
            embedding[of_kind & (cells.obs["batch"] == batch).to_numpy()].mean(axis=0)
            for batch in cells.obs.loc[of_kind, "batch"].unique()
        ]
        gaps += [float(np.linalg.norm(a - b)) for a in means for b in means]
    return max(gaps)
