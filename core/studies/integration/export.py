"""Integrated cells as an AnnData that scanpy opens, and a script that makes them again."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from core.studies.integration import files
from core.studies.integration.result import IntegrationResult

if TYPE_CHECKING:
    from anndata import AnnData


def to_anndata(result: IntegrationResult, methods: Sequence[str] | None = None) -> AnnData:
    """Cells with the embeddings and corrected expression of some methods (default: all).

    Returns
    -------
    AnnData
        ``X`` log-normalised and ``layers["counts"]`` raw over the run's genes;
        ``obsm["X_<method>"]``, ``obsm["X_umap_<method>"]``, ``obs["leiden_<method>"]`` at the best
        resolution, ``obsp["<method>_connectivities"]``, ``layers["corrected_<method>"]`` where the
        method corrects expression; the run's facts in ``uns["integration"]``. Batches and cell
        types have the columns' own names.
    """
    import anndata

    config = result.config
    cells = result.cells
    obs = pd.DataFrame(index=pd.Index(cells["cell"].astype(str).to_numpy()))
    obs[config.batch_key] = pd.Categorical(cells["batch"].to_numpy())
    if result.labelled and config.label_key:
        obs[config.label_key] = pd.Categorical(cells["cell_type"].to_numpy())
    made = anndata.AnnData(
        X=files.read_sparse(result.folder / files.LOG),
        obs=obs,
        var=pd.DataFrame(index=pd.Index(result.genes)),
        layers={"counts": files.read_sparse(result.folder / files.COUNTS)},
    )
    for key in methods if methods is not None else list(result.methods):
        method = result.method(key)
        if method.embedding is not None:
            made.obsm[f"X_{key}"] = np.asarray(method.embedding)
        made.obsm[f"X_umap_{key}"] = np.asarray(method.umap)
        made.obs[f"leiden_{key}"] = pd.Categorical(method.clusters().astype(str))
        graph = files.read_sparse(method.folder / files.CONNECTIVITIES)
        made.obsp[f"{key}_connectivities"] = graph
        if method.corrected is not None:
            made.layers[f"corrected_{key}"] = np.asarray(method.corrected)
        topics = method.extra("topics")
        if topics is not None:
            made.obsm[f"X_{key}_topics"] = np.asarray(topics)
    made.uns["integration"] = {
        "config": json.dumps(result.facts["config"]),
        "steps": list(result.facts["steps"]),
        "simulated": result.simulated,
    }
    return made


def h5ad_bytes(result: IntegrationResult, methods: Sequence[str] | None = None) -> bytes:
    """:func:`to_anndata` as a compressed h5ad file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "integrated.h5ad"
        to_anndata(result, methods).write_h5ad(path, compression="gzip")
        return path.read_bytes()


_SCRIPT = '''"""Makes the integration "{name}" again: cells.h5ad (raw counts) to integrated.h5ad."""

import json
import sys

import anndata
import numpy as np

from core.studies.integration.config import IntegrationConfig, method_keys
from core.studies.integration.evaluate import integrate, prepare, score

CONFIG = json.loads(r"""
{config}
""")

config = IntegrationConfig.model_validate(CONFIG)
source, target = sys.argv[1:3]  # cells.h5ad integrated.h5ad
cells = anndata.read_h5ad(source)
prepared = prepare(
    cells, config.preparation, config.batch_key, config.label_key, seed=config.seed
)
made = prepared.cells
for key, method in method_keys(config.every_method).items():
    result, seconds = integrate(prepared, method, config.batch_key, seed=config.seed)
    scores = score(prepared, result, config.resolutions, seed=config.seed)
    if result.embedding is not None:
        made.obsm["X_" + key] = result.embedding
    if result.corrected is not None:
        made.layers["corrected_" + key] = np.asarray(result.corrected)
    made.obs["leiden_" + key] = scores.sweep.clusters[scores.sweep.best].astype(str)
    print(f"{{key}}: {{seconds:.1f}} s, {{ {{k: round(v, 3) for k, v in scores.values.items()}} }}")
made.write_h5ad(target, compression="gzip")
'''


def script(result: IntegrationResult) -> str:
    """A Python script that makes the embeddings again from the cells' h5ad, in this project."""
    config = json.dumps(result.facts["config"], indent=1, ensure_ascii=True)
    name = json.dumps(result.config.name or result.facts["dataset"])[1:-1]
    name = name.replace("\\", "").replace('"', "'")
    return _SCRIPT.format(name=name, config=config)
