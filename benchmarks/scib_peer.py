"""The scib-metrics package on stored embeddings; run by a Python that has it, not by ours.

    python scib_peer.py in.npz out.json [exact]

``in.npz`` holds ``embedding``, ``before``, ``batches``, ``labels`` and the exact ``indices`` and
``distances`` of 90 neighbours, which replace the package's approximate search with ``exact``.
"""

import json
import sys
import time
import warnings
from pathlib import Path

import numpy as np


def main(source: str, target: str, exact: bool) -> None:
    """Score with the package's Benchmarker, and time it from the first import on."""
    warnings.simplefilter("ignore")
    started = time.perf_counter()
    import anndata
    import pandas as pd
    from scib_metrics.benchmark import Benchmarker
    from scib_metrics.nearest_neighbors import NeighborsResults

    imported = time.perf_counter()
    data = np.load(source, allow_pickle=False)
    n = len(data["embedding"])
    cells = anndata.AnnData(
        np.zeros((n, 1), np.float32),
        obs=pd.DataFrame(
            {"batch": data["batches"], "label": data["labels"]}, index=[f"c{i}" for i in range(n)]
        ),
    )
    cells.obsm["X"], cells.obsm["before"] = data["embedding"], data["before"]
    bench = Benchmarker(
        cells,
        batch_key="batch",
        label_key="label",
        embedding_obsm_keys=["X"],
        pre_integrated_embedding_obsm_key="before",
        progress_bar=False,
    )
    known = NeighborsResults(indices=data["indices"], distances=data["distances"])
    bench.prepare(neighbor_computer=(lambda points, k: known) if exact else None)
    bench.benchmark()
    values = bench.get_results(min_max_scale=False, clean_names=False).loc["X"].to_dict()
    ended = time.perf_counter()
    numbers = {k: float(v) for k, v in values.items()}
    seconds = {"import_seconds": imported - started, "seconds": ended - imported}
    Path(target).write_text(json.dumps(numbers | seconds))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], "exact" in sys.argv[3:])
