"""Our scores of an integration beside the scib-metrics package, in the same run.

    PERTURBSCOPE_SCIB_PYTHON=/path/to/venv/bin/python python -m benchmarks.integration_scores

The package (it brings JAX) lives in an environment of its own, whose Python is named by the
variable; it needs ``scib-metrics`` 0.6.1. Both score the PCA and Harmony embeddings of both islet
sets; the package once on our exact neighbours and, for its time, once as it comes. Ours is timed
with everything that the package is timed with (neighbours, all scores), and the Leiden sweep,
which the package does not do, apart.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.integration import BATCH, LABEL, SETS, read
from core.metrics.integration import BATCH_SCORES, BIO_SCORES, score_embedding
from core.metrics.neighbours import nearest
from core.models.integrators.base import INTEGRATORS
from core.studies.integration.config import PreparationConfig
from core.studies.integration.evaluate import Prepared, prepare

PYTHON = "PERTURBSCOPE_SCIB_PYTHON"
METHODS = ("none", "harmony")
#: What the package calls our scores.
NAMES = {
    "isolated_labels": "isolated_labels",
    "kmeans_nmi": "nmi_ari_cluster_labels_kmeans_nmi",
    "kmeans_ari": "nmi_ari_cluster_labels_kmeans_ari",
    "silhouette_label": "silhouette_label",
    "clisi": "clisi_knn",
    "bras": "bras",
    "ilisi": "ilisi_knn",
    "kbet": "kbet_per_label",
    "graph_connectivity": "graph_connectivity",
    "pcr_comparison": "pcr_comparison",
    "total_batch": "Batch correction",
    "total_bio": "Bio conservation",
    "total": "Total",
}


def ours(prepared: Prepared, embedding: np.ndarray) -> tuple[dict[str, float], float, float]:
    """Scores, seconds of the package's scores, seconds with the sweep over 16 resolutions."""
    started = time.perf_counter()
    score_embedding(embedding, prepared.groups, before=prepared.before, resolutions=())
    alone = time.perf_counter() - started
    started = time.perf_counter()
    scores = score_embedding(embedding, prepared.groups, before=prepared.before)
    return scores.values, alone, time.perf_counter() - started


def package(
    python: str, prepared: Prepared, embedding: np.ndarray, exact: bool
) -> dict[str, float]:
    """What the package says, and its seconds."""
    groups = prepared.groups
    assert groups.labels is not None
    near = nearest(embedding)
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in.npz", Path(folder) / "out.json"
        np.savez(
            source,
            embedding=embedding,
            before=prepared.before,
            batches=np.array(groups.batch_names)[groups.batches],
            labels=np.array(groups.label_names)[groups.labels],
            indices=near.indices,
            distances=near.distances,
        )
        script = Path(__file__).with_name("scib_peer.py")
        words = [python, str(script), str(source), str(target), *(["exact"] if exact else [])]
        subprocess.run(words, check=True, capture_output=True)
        return json.loads(target.read_text())


def main() -> None:
    """Print a table for each embedding."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="+", choices=list(SETS), default=list(SETS))
    parser.add_argument("--methods", nargs="+", default=list(METHODS))
    parser.add_argument("--exact", action="store_true", help="the package on our neighbours only")
    options = parser.parse_args()
    python = os.environ.get(PYTHON)
    if python is None:
        print(f"{PYTHON} is not set: only our own times are shown.")
    runs = [("package, our neighbours", True), ("package", False)][: 1 if options.exact else 2]
    for name in options.sets:
        prepared = prepare(read(name), PreparationConfig(), BATCH, LABEL)
        for method in options.methods:
            result = INTEGRATORS.get(method).value().fit_transform(prepared.cells, BATCH)
            assert result.embedding is not None
            values, alone, swept = ours(prepared, result.embedding)
            rows = pd.DataFrame(
                {"ours": {k: values[k] for k in [*BATCH_SCORES, *BIO_SCORES, *list(NAMES)[-3:]]}}
            )
            print(f"\n## {name}, {method}: {alone:.2f} s, with the Leiden sweep {swept:.2f} s")
            if python is not None:
                for column, exact in runs:
                    found = package(python, prepared, result.embedding, exact)
                    rows[column] = [found[NAMES[k]] for k in rows.index]
                    rows[f"difference to {column}"] = rows["ours"] - rows[column]
                    print(
                        f"{column}: {found['seconds']:.1f} s, and {found['import_seconds']:.1f} s "
                        f"of imports; ours takes {alone / found['seconds']:.3f} of its time"
                    )
            print(rows.round(5).to_string())


if __name__ == "__main__":
    main()
