"""Two real batches without a common cell type must not be merged; Harmony beside it."""

from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pytest
import scanpy as sc

from core.models.integrators.base import INTEGRATORS
from core.models.integrators.mnn import nearest

K = 15
#: Cell types of one donor, and those of the other.
PAIRS = [(["beta"], ["acinar", "ductal"]), (["alpha"], ["beta"])]


def disjoint(folder: Path, first: list[str], second: list[str]) -> anndata.AnnData:
    """Human islets: ``first`` of one donor, ``second`` of another, and nothing in common."""
    cells = anndata.read_h5ad(folder / "baron_human_subset.h5ad")
    donor, kind = cells.obs["donor"], cells.obs["cell_type1"]
    chosen = ((donor == "human1") & kind.isin(first)) | ((donor == "human3") & kind.isin(second))
    cells = cells[chosen.to_numpy()].copy()
    sc.pp.filter_genes(cells, min_cells=3)
    sc.pp.normalize_total(cells, target_sum=1e4)
    sc.pp.log1p(cells)
    sc.pp.highly_variable_genes(cells, n_top_genes=1000, batch_key="donor")
    return cells[:, cells.var["highly_variable"]].copy()


def merged(embedding: np.ndarray, codes: np.ndarray) -> tuple[float, float]:
    """Share of the nearest neighbours of the other batch, and the gap between the batches.

    The gap is the distance of the two means over the root mean square distance to their own.
    """
    index = nearest(embedding, embedding, K + 1)[0][:, 1:]
    across = float((codes[index] != codes[:, None]).mean())
    means = np.stack([embedding[codes == code].mean(axis=0) for code in (0, 1)])
    within = np.sqrt(np.square(embedding - means[codes]).sum(axis=1).mean())
    return across, float(np.linalg.norm(means[0] - means[1]) / within)


@pytest.mark.parametrize(("first", "second"), PAIRS, ids=["+".join(a + b) for a, b in PAIRS])
def test_no_common_type_is_not_merged(
    shared_data: Path, first: list[str], second: list[str]
) -> None:
    cells = disjoint(shared_data, first, second)
    codes = (cells.obs["donor"] == "human3").to_numpy().astype(int)
    found = {}
    for name in ("none", "harmony", "corrector"):
        result = INTEGRATORS.get(name).value().fit_transform(cells, "donor", seed=0)
        assert result.embedding is not None
        found[name] = merged(result.embedding, codes)
    found["corrector, before"] = merged(result.extras["input_embedding"], codes)
    across, gap = (dict(zip(found, column, strict=True)) for column in zip(*found.values()))  # noqa: B905
    print("\nneighbours of the other batch", across, "gap", gap)
    assert across["corrector"] <= across["corrector, before"] + 0.001
    assert across["corrector"] <= across["harmony"] + 0.001
    assert gap["corrector"] > 0.98 * gap["corrector, before"]
    # Harmony, which assumes that every cluster is shared, draws the two together.
    assert gap["harmony"] / gap["none"] < gap["corrector"] / gap["corrector, before"]
    assert len(result.extras["mnn_pairs"]) == 0
    assert "nothing was merged" in result.extras["notes"][-1]
