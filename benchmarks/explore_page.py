"""How fast the exploration page opens, measured in a real browser on the full simulated table.

    python -m benchmarks.explore_page [--visits 5] [--genes 8]

Starts the app as a user starts it, in a workspace of its own with ``op2-demo`` (869 pairs ×
18,211 genes, of which the 614 training pairs are drawn), and drives headless Chromium:

- *first paint*: from asking for the address until the first figure stands in the page. *New
  browser*: nothing is cached in the browser, so that Streamlit's own scripts are fetched first;
  *all warm*: the same address once more in that browser.
- *new gene*: from choosing a gene that was never asked for until its figure stands.
- the same gene's data and figure without Streamlit and browser, so that one sees whose time it is.

The bars: first paint under 3 s when warm, one gene's figure under 0.5 s.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.data import PerturbationTable, load_perturbation, prepare
from core.plots import perturbation_effects
from core.settings import PREFIX, PROJECT_ROOT, Settings, load_settings
from core.studies.perturbation import explore

DATASET = "op2-demo"
FIGURE = ".js-plotly-plot .main-svg"


@contextmanager
def app(settings: Settings) -> Iterator[str]:
    """The address of a running app."""
    import socket
    import urllib.request

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "app.py"]
    process = subprocess.Popen(
        [*command, "--server.port", str(port), "--server.headless", "true"],
        cwd=PROJECT_ROOT,
        env=os.environ | {PREFIX + "WORKSPACE": str(settings.workspace)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(f"http://localhost:{port}/_stcore/health", timeout=2)
                break
            except OSError:
                if time.monotonic() > until or process.poll() is not None:
                    raise SystemExit("the app did not start") from None
                time.sleep(0.2)
        yield f"http://localhost:{port}"
    finally:
        process.terminate()
        process.wait(timeout=20)


def in_browser(url: str, genes: list[str], visits: int) -> dict[str, list[float]]:
    """Seconds of every measured step in Chromium."""
    from playwright.sync_api import sync_playwright

    from tests.browser.conftest import FLAGS, find_chromium

    executable = find_chromium()
    if executable is None:
        raise SystemExit("no Chromium on this machine: nothing was measured")
    times: dict[str, list[float]] = {}

    def note(step: str, start: float) -> None:
        times.setdefault(step, []).append(time.perf_counter() - start)

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=list(FLAGS))
        for visit in range(visits + 1):
            for tab in ("Design", "Gene"):
                page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
                start = time.perf_counter()
                page.goto(f"{url}/explore?dataset={DATASET}&view={tab}")
                page.locator(FIGURE).first.wait_for(timeout=120_000)
                when = "first visit after the start" if visit == 0 else "new browser, warm server"
                note(f"{when} ({tab})", start)
                start = time.perf_counter()
                page.goto(f"{url}/explore?dataset={DATASET}&view={tab}")
                page.locator(FIGURE).first.wait_for(timeout=120_000)
                if visit:
                    note(f"first paint, all warm ({tab})", start)
                page.context.close()
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(f"{url}/explore?dataset={DATASET}&view=Gene")
        page.locator(FIGURE).first.wait_for()
        page.wait_for_timeout(2000)
        for gene in genes:
            page.locator(".st-key-gene-search input").click()
            page.keyboard.type(gene)
            option = page.get_by_role("option", name=gene, exact=True).first
            option.wait_for()
            start = time.perf_counter()
            option.click()
            page.locator(".js-plotly-plot .ytitle", has_text=f"{gene}:").wait_for()
            note("new gene", start)
            page.wait_for_timeout(300)
        browser.close()
    return times


def without_streamlit(table: PerturbationTable, genes: list[str]) -> dict[str, list[float]]:
    """Seconds of the computation and of the figure's JSON alone."""
    rows = table.rows(split="train")
    times = []
    for gene in genes:
        start = time.perf_counter()
        effect = explore.gene_effect(table, gene, rows)
        perturbation_effects.gene_effect(effect, gene, table.target).to_json()
        times.append(time.perf_counter() - start)
    return {"new gene: data and figure without Streamlit": times}


def main() -> None:
    """Prepare, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--visits", type=int, default=5)
    parser.add_argument("--genes", type=int, default=8)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = load_settings(workspace=Path(folder) / "workspace", device="cpu")
        prepare(DATASET, settings=settings)
        table = load_perturbation(DATASET, settings)
        symbols = [str(gene) for gene in table.genes]
        step = len(symbols) // (2 * arguments.genes + 1)
        genes = symbols[step::step][: 2 * arguments.genes]
        print(
            f"{DATASET}: {table.n_pairs} pairs × {table.n_genes:,} genes, load average "
            f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
        )
        with app(settings) as url:
            times = in_browser(url, genes[: arguments.genes], arguments.visits)
        times |= without_streamlit(table, genes[arguments.genes :])
    print(f"{'step':<45}{'n':>4}{'median':>9}{'worst':>9}")
    for name, values in times.items():
        print(f"{name:<45}{len(values):>4}{statistics.median(values):>8.2f}s{max(values):>8.2f}s")


if __name__ == "__main__":
    main()
