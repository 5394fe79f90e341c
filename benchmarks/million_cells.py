"""A million cells in the cell explorer, each stage beside scanpy alone on the same data.

    python -m benchmarks.million_cells build FOLDER [--cells 1000000 --genes 2000]
    python -m benchmarks.million_cells run FOLDER
    python -m benchmarks.million_cells         # both, in a folder that is removed afterwards

``build`` writes a synthetic data set (no laboratory measured it) into the workspace FOLDER:
Poisson counts of 25 cell types in two conditions, 5–10 % of the values not zero, with a
two-dimensional embedding. ``run`` starts the app there as a user starts it, drives Chromium, and
then does the same with scanpy and matplotlib in this process:

- *opening*: from asking for the address until the first figure stands; once when the copy by gene
  must be made, once when it is there (each with a freshly started server).
- *recolour*: from choosing another gene until its figure stands.
- *selection*: from the end of the lasso until the number of its cells stands, in two panels; the
  two shapes hold about 100,000 cells together.
- *differential expression* of the two shapes, Wilcoxon: from the button until the volcano stands.
- *bytes*: what the server sends to the browser for a redraw, for a zoom and for a selection
  (payload of the websocket's frames, Streamlit's own messages included).

scanpy's side: ``read_h5ad``, normalise, log, ``sc.pl.embedding`` to PNG in memory, and
``rank_genes_groups`` on the same cells.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import shutil
import statistics
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.explore_page import app
from core.data import store
from core.settings import Settings, load_settings

ID = "synthetic-million"
N_TYPES = 25
#: Mean over genes of the share of non-zero values that the rates aim at.
DENSITY = 0.065
LASSOED = 100_000
#: Seconds after which a stage is given up.
PATIENCE = 150


def build(settings: Settings, n_cells: int, n_genes: int, seed: int = 0) -> None:
    """Write the synthetic set as the data set :data:`ID`."""
    from anndata import AnnData
    from scipy import sparse

    from core.data.cells import cells_hash

    rng = np.random.default_rng(seed)
    types = rng.choice(N_TYPES, n_cells, p=rng.dirichlet(np.full(N_TYPES, 8.0)))
    stimulated = rng.random(n_cells) < 0.5
    centres = rng.uniform(-12, 12, (N_TYPES, 2))
    umap = (centres[types] + rng.normal(0, 1.1, (n_cells, 2))).astype(np.float32)
    base = rng.lognormal(0, 1.2, n_genes)
    base *= DENSITY / base.mean()
    factor = np.where(rng.random((N_TYPES, n_genes)) < 0.02, 8.0, 1.0)
    # Half of the types answer to the stimulus, each in 60 genes.
    response = np.ones((N_TYPES, n_genes))
    for kind in range(0, N_TYPES, 2):
        response[kind, rng.choice(n_genes, 60, replace=False)] = 3.0
    blocks = []
    for start in range(0, n_cells, 20_000):
        rows = slice(start, min(start + 20_000, n_cells))
        size = rng.lognormal(0, 0.35, rows.stop - rows.start)[:, None]
        rate = base * factor[types[rows]] * size
        rate *= np.where(stimulated[rows, None], response[types[rows]], 1.0)
        blocks.append(sparse.csr_matrix(rng.poisson(rate).astype(np.float32)))
    matrix = sparse.vstack(blocks, format="csr")
    blocks.clear()
    obs = pd.DataFrame(
        {
            "cell_type": pd.Categorical.from_codes(
                types, [f"type {i:02d}" for i in range(N_TYPES)]
            ),
            "condition": pd.Categorical(np.where(stimulated, "stimulated", "control")),
        },
        index=[f"cell{i:07d}" for i in range(n_cells)],
    )
    genes = [f"GENE{i:04d}" for i in range(n_genes - 1)]
    cells = AnnData(matrix, obs=obs, var=pd.DataFrame(index=["CD69", *genes]))
    cells.obsm["X_umap"] = umap
    share = matrix.nnz / (n_cells * n_genes)
    meta = {
        "label": f"Synthetic: {n_cells:,} cells",
        "organism": "unknown",
        "source": "benchmarks.million_cells",
        "simulated": True,
        "values": "counts",
        "identifiers": "symbols",
        "note": "Poisson counts drawn for a benchmark: no laboratory measured them.",
        "content_hash": cells_hash(cells),
    }
    store.write_cells(ID, cells, settings, meta)
    file = store.folder_of(ID, settings) / store.H5AD
    print(
        f"{n_cells:,} × {n_genes:,}, {matrix.nnz:,} values ({share:.1%}), "
        f"{file.stat().st_size / 1e6:,.0f} MB on disk"
    )


class Browser:
    """One page of Chromium that counts the websocket's bytes."""

    FIGURE = ".st-key-cells-figure .js-plotly-plot"

    def __init__(self, playwright: Any, url: str, patience: int = PATIENCE) -> None:
        from tests.browser.conftest import FLAGS, find_chromium

        executable = find_chromium()
        if executable is None:
            raise SystemExit("no Chromium on this machine: nothing was measured")
        self._browser = playwright.chromium.launch(executable_path=executable, args=list(FLAGS))
        self.page = self._browser.new_page(viewport={"width": 1440, "height": 900})
        self.page.set_default_timeout(1000 * patience)
        self.url = url
        self.runs: list[list[int]] = []
        self.page.on("websocket", self._listen)

    def _listen(self, socket: Any) -> None:
        socket.on("framereceived", self._received)

    def _received(self, frame: bytes | str) -> None:
        """Frames between two "new session" messages belong to one run of the script."""
        if len(frame) > 1_000 and (not self.runs or self.runs[-1][-1:] == [2]):
            self.runs.append([])
        if self.runs:
            self.runs[-1].append(len(frame))

    def since(self, start: int) -> int:
        """Bytes of the largest run since the run ``start``: the sidebar's own runs are small."""
        return max((sum(run) for run in self.runs[start:]), default=0)

    def open(self, query: str) -> float:
        """Seconds until the first figure stands."""
        start = time.perf_counter()
        self.page.goto(f"{self.url}/cells?{query}")
        self.page.locator(f"{self.FIGURE} image").first.wait_for(state="attached")
        return time.perf_counter() - start

    def settle(self) -> None:
        """Wait until nothing runs."""
        self.page.wait_for_timeout(400)
        self.page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]')
        self.page.wait_for_timeout(600)

    def recolour(self, gene: str) -> tuple[float, int]:
        """Seconds and bytes until the figure of a gene stands."""
        self.page.locator(".st-key-gene-search input").click()
        self.page.keyboard.type(gene)
        self.page.locator(".st-key-gene-search li", has_text=gene).first.wait_for()
        self.settle()
        before, start = len(self.runs), time.perf_counter()
        self.page.keyboard.press("Enter")
        title = self.page.locator(f"{self.FIGURE} .infolayer text", has_text=gene).first
        title.wait_for()
        seconds = time.perf_counter() - start
        self.settle()
        return seconds, self.since(before)

    def pixels(self, panel: int, points: np.ndarray) -> list[tuple[float, float]]:
        """Where points of the embedding lie on the screen."""
        return self.page.evaluate(
            """([figure, panel, points]) => {
              const gd = document.querySelector(figure), box = gd.getBoundingClientRect();
              const at = panel ? panel + 1 : '';
              const x = gd._fullLayout['xaxis' + at], y = gd._fullLayout['yaxis' + at];
              return points.map((p) => [box.x + x._offset + x.l2p(p[0]),
                                        box.y + y._offset + y.l2p(p[1])]);
            }""",
            [self.FIGURE, panel, points.tolist()],
        )

    def lasso(self, panel: int, points: np.ndarray) -> tuple[float, int, int]:
        """Seconds, bytes and number of cells of a drawn shape."""
        label = self.page.locator(".st-key-selection-count")
        said = label.inner_text() if label.count() else ""
        corners = self.pixels(panel, np.vstack([points, points[:1]]))
        self.page.mouse.move(*corners[0])
        self.page.mouse.down()
        for corner in corners[1:]:
            self.page.mouse.move(*corner, steps=2)
        before, start = len(self.runs), time.perf_counter()
        self.page.mouse.up()
        self.page.wait_for_function(
            """(said) => { const e = document.querySelector('.st-key-selection-count');
                           return e && e.innerText !== said; }""",
            arg=said,
        )
        seconds = time.perf_counter() - start
        self.settle()
        n = int(label.inner_text().split()[0].replace(",", ""))
        return seconds, self.since(before), n

    def compare(self) -> float:
        """Seconds from the button to the volcano."""
        self.page.locator(".st-key-compare-shapes button").scroll_into_view_if_needed()
        start = time.perf_counter()
        self.page.locator(".st-key-compare-shapes button").click()
        self.page.locator(".st-key-volcano .js-plotly-plot .main-svg").first.wait_for()
        return time.perf_counter() - start

    def zoom(self) -> tuple[float, int]:
        """Seconds and bytes of a zoom by the wheel, which makes a new image."""
        picture = f"{self.FIGURE} image"
        old = self.page.locator(picture).first.get_attribute("href")
        box = self.page.locator(f"{self.FIGURE} .xy .nsewdrag, {self.FIGURE} .drag").first
        box.hover()
        before, start = len(self.runs), time.perf_counter()
        self.page.mouse.wheel(0, -300)
        self.page.wait_for_function(
            "([at, old]) => document.querySelector(at)?.getAttribute('href') !== old",
            arg=[picture, old],
        )
        seconds = time.perf_counter() - start
        self.settle()
        return seconds, self.since(before)

    def close(self) -> None:
        """End it."""
        self._browser.close()


def ring(umap: np.ndarray, types: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A circle around the largest type that holds :data:`LASSOED` cells (a quarter of a small set), and which these are."""
    centre = umap[types == np.bincount(types).argmax()].mean(axis=0)
    distance = np.hypot(*(umap - centre).T)
    wanted = min(LASSOED, len(umap) // 4)
    radius = float(np.partition(distance, wanted)[wanted])
    angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    return centre + radius * np.column_stack([np.cos(angles), np.sin(angles)]), distance < radius


def in_app(
    settings: Settings, circle: np.ndarray, genes: list[str], patience: int
) -> dict[str, Any]:
    """Every stage in the app; seconds unless the name says bytes."""
    from playwright.sync_api import sync_playwright

    found: dict[str, Any] = {}
    shutil.rmtree(settings.workspace / "cache", ignore_errors=True)
    query = f"cells={ID}&split=condition&left=control&right=stimulated&gene=CD69"
    with sync_playwright() as playwright:
        for stage in ("opening, copy by gene made", "opening, copy by gene there"):
            with app(settings) as url:
                browser = Browser(playwright, url, patience)
                found[stage] = browser.open(query)
                print(f"{stage}: {found[stage]:.2f} s", flush=True)
                browser.settle()
                if stage.endswith("there"):
                    second = Browser(playwright, url, patience)
                    found["opening, server warm, new browser"] = second.open(query)
                    found["opening, all warm"] = second.open(query)
                    second.close()
                    _stages(browser, found, circle, genes)
                browser.close()
    return found


def _stages(browser: Browser, found: dict[str, Any], circle: np.ndarray, genes: list[str]) -> None:
    found["bytes, opening"] = browser.since(0)
    pairs = [browser.recolour(gene) for gene in genes]
    found["recolour by gene"] = statistics.median(seconds for seconds, _ in pairs)
    found["bytes, redraw"] = max(size for _, size in pairs)
    left = browser.lasso(0, circle)
    right = browser.lasso(1, circle)
    found["selection"] = max(left[0], right[0])
    found["bytes, selection"] = max(left[1], right[1])
    found["cells selected"] = right[2]
    with suppress(AssertionError):
        found["zoom"], found["bytes, zoom"] = browser.zoom()
    found["differential expression"] = browser.compare()


def in_scanpy(settings: Settings, inside: np.ndarray, genes: list[str]) -> dict[str, float]:
    """The same stages by scanpy and matplotlib."""
    import matplotlib

    matplotlib.use("Agg")
    import anndata
    import scanpy as sc
    from matplotlib import pyplot

    found: dict[str, float] = {}

    def draw(cells: Any, gene: str) -> None:
        _, axes = pyplot.subplots(1, 2, figsize=(11, 4.5))
        for axis, condition in zip(axes, ("control", "stimulated"), strict=True):
            part = cells[cells.obs["condition"] == condition]
            sc.pl.embedding(part, "X_umap", color=gene, ax=axis, show=False)
        pyplot.savefig(io.BytesIO(), format="png", dpi=100)
        pyplot.close("all")

    start = time.perf_counter()
    cells = anndata.read_h5ad(store.folder_of(ID, settings) / store.H5AD)
    sc.pp.normalize_total(cells, target_sum=1e4)
    sc.pp.log1p(cells)
    found["ready"] = time.perf_counter() - start
    draw(cells, "CD69")
    found["opening, copy by gene there"] = time.perf_counter() - start
    print(f"scanpy opening: {found['opening, copy by gene there']:.1f} s", flush=True)
    times = []
    for gene in genes[:2]:
        start = time.perf_counter()
        draw(cells, gene)
        times.append(time.perf_counter() - start)
    found["recolour by gene"] = statistics.median(times)
    start = time.perf_counter()
    part = cells[inside].copy()
    sc.tl.rank_genes_groups(
        part, "condition", groups=["stimulated"], reference="control", method="wilcoxon"
    )
    found["differential expression"] = time.perf_counter() - start
    return found


def run(settings: Settings, only: str, patience: int) -> None:
    """Measure and print."""
    import h5py

    file = store.folder_of(ID, settings) / store.H5AD
    if not file.exists():
        raise SystemExit(f"there is no {file}: run 'build' first")
    with h5py.File(file) as handle:
        umap = handle["obsm/X_umap"][:]
        types = handle["obs/cell_type/codes"][:].astype(np.int64)
    circle, inside = ring(umap, types)
    genes = ["GENE0101", "GENE0057", "GENE0208", "GENE0283"]
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)
    ours = in_app(settings, circle, genes, patience) if only in ("both", "app") else {}
    if ours:
        print(json.dumps(ours), flush=True)
    theirs = in_scanpy(settings, inside, genes) if only in ("both", "scanpy") else {}
    print(f"{'stage':<34}{'PerturbScope':>14}{'scanpy':>12}")
    for name in dict.fromkeys([*ours, *theirs]):
        whole = name.startswith(("bytes", "cells"))
        cells = [
            "" if name not in side else f"{side[name]:,}" if whole else f"{side[name]:.2f} s"
            for side in (ours, theirs)
        ]
        print(f"{name:<34}{cells[0]:>14}{cells[1]:>12}", flush=True)


def main() -> None:
    """Build or run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("build", "run", "all"), nargs="?", default="all")
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--cells", type=int, default=1_000_000)
    parser.add_argument("--genes", type=int, default=2_000)
    parser.add_argument("--only", choices=("both", "app", "scanpy"), default="both")
    parser.add_argument("--patience", type=int, default=PATIENCE, help="seconds a stage")
    arguments = parser.parse_args()
    if arguments.folder is None and arguments.what != "all":
        parser.error("name the folder of the workspace")
    with tempfile.TemporaryDirectory() as scratch:
        settings = load_settings(workspace=arguments.folder or Path(scratch), device="cpu")
        if arguments.what in ("build", "all"):
            build(settings, arguments.cells, arguments.genes)
        if arguments.what in ("run", "all"):
            run(settings, arguments.only, arguments.patience)


if __name__ == "__main__":
    main()
