"""Landmarks → the rest: the study's models beside scikit-learn's, same cells, filters and splits.

    python -m benchmarks.landmarks [--data pbmc_facs baron_human_subset] [--splits 3] [--no-peers]
                                   [--workspace DIR]

With ``--workspace`` the study is kept there: a benchmark that was stopped goes on where it was,
and a finished study is not run again. Real data from ``../shared/data`` (or ``PERTURBSCOPE_SHARED``). Peers choose their settings on a
tenth of the training cells, from the grids below, and are then fitted on all training cells.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from core.data import import_file, list_datasets
from core.metrics.expression import split_interval
from core.runs import get_run, list_runs, resume, run_here
from core.settings import PROJECT_ROOT, load_settings
from core.studies.landmarks.config import LandmarksConfig
from core.studies.landmarks.data import load_landmark_data
from core.studies.landmarks.plan import inputs_of, measured
from core.studies.landmarks.result import LandmarksResult

Fit = Callable[[np.ndarray, np.ndarray], Callable[[np.ndarray], np.ndarray]]


def _sklearn(make: Callable[[Any], Any]) -> Callable[[Any], Fit]:
    def of(setting: Any) -> Fit:
        def fit(X: np.ndarray, Y: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
            model = make(setting).fit(X, Y)
            return lambda Z: np.asarray(model.predict(Z))

        return fit

    return of


def _ratio_knn(k: int) -> Fit:
    def fit(X: np.ndarray, Y: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        from sklearn.decomposition import PCA
        from sklearn.neighbors import NearestNeighbors

        pca = PCA(20, random_state=0).fit(X)
        index = NearestNeighbors(n_neighbors=k).fit(pca.transform(X))

        def predict(Z: np.ndarray) -> np.ndarray:
            near = index.kneighbors(pca.transform(Z), return_distance=False)
            return np.stack([((Y[r] + 1) * Y[r]).sum(0) / (Y[r] + 1).sum(0) for r in near])

        return predict

    return fit


def peers() -> dict[str, tuple[Callable[[Any], Fit], tuple[Any, ...], str]]:
    """Name → (maker, settings to choose from, metric they are chosen by)."""
    from sklearn.cross_decomposition import PLSRegression
    from sklearn.dummy import DummyRegressor
    from sklearn.kernel_ridge import KernelRidge
    from sklearn.linear_model import LinearRegression, Ridge
    from sklearn.neighbors import KNeighborsRegressor
    from sklearn.neural_network import MLPRegressor

    return {
        "mean": (_sklearn(lambda _: DummyRegressor()), (None,), "mse"),
        "LinearRegression": (_sklearn(lambda _: LinearRegression()), (None,), "mse"),
        "Ridge": (_sklearn(lambda a: Ridge(alpha=a)), (300, 1000, 2000, 3000, 6000), "mse"),
        "PLSRegression": (
            _sklearn(lambda n: PLSRegression(n, scale=False, max_iter=100)),
            (8, 12, 16, 20),
            "mse",
        ),
        "KNeighborsRegressor": (_sklearn(KNeighborsRegressor), (30, 100), "mse"),
        "KernelRidge, Gaussian": (
            _sklearn(lambda g: KernelRidge(kernel="rbf", gamma=g, alpha=0.3)),
            (1e-4, 3e-4, 1e-3, 3e-3),
            "mse",
        ),
        "MLPRegressor": (
            _sklearn(
                lambda width: MLPRegressor(
                    (width,), alpha=1.0, early_stopping=True, max_iter=60, random_state=0
                )
            ),
            (128,),
            "mse",
        ),
        "kNN ratio": (_ratio_knn, (50, 100), "weighted_mse"),
    }


def errors(predicted: np.ndarray, observed: np.ndarray) -> dict[str, float]:
    """Both metrics."""
    squared = (predicted - observed) ** 2
    return {
        "mse": float(squared.mean()),
        "weighted_mse": float(((observed + 1) * squared).mean()),
    }


def run_peers(config: LandmarksConfig, settings: Any) -> pd.DataFrame:
    """Each peer in each split: ``model, split, setting, mse, weighted_mse, seconds``."""
    data = load_landmark_data(config.dataset, config.data, settings)
    genes = measured(config, data)
    X, Y = inputs_of(data, genes.inputs).X, np.ascontiguousarray(data.X[:, genes.targets])
    rows = []
    for number, split in enumerate(data.splits(config.n_splits, config.seed)):
        for name, (make, settings_, metric) in peers().items():
            started = time.perf_counter()
            best = settings_[0]
            if len(settings_) > 1:
                tried = {}
                for setting in settings_:
                    predict = make(setting)(X[split.fit], Y[split.fit])
                    found = errors(predict(X[split.validation]), Y[split.validation])
                    tried[setting] = found[metric]
                best = min(tried, key=lambda s: tried[s])
            predicted = make(best)(X[split.train], Y[split.train])(X[split.test])
            seconds = time.perf_counter() - started
            scores = errors(predicted, Y[split.test])
            rows.append(
                {"model": name, "split": number, "setting": best, **scores, "seconds": seconds}
            )
            print(
                f"  split {number} {name:24} {best!s:>7} mse {scores['mse']:.4f} weighted "
                f"{scores['weighted_mse']:.4f} {seconds:6.1f} s",
                flush=True,
            )
    return pd.DataFrame(rows)


def line(name: str, mse: list[float], weighted: list[float], seconds: float | None) -> str:
    """One row of the table: mean over splits with interval."""
    cells = []
    for values in (mse, weighted):
        found = split_interval(values)
        cells.append(f"{found.mean:.4f} [{found.low:.4f}, {found.high:.4f}]")
    return f"| {name} | {cells[0]} | {cells[1]} | {'' if seconds is None else f'{seconds:.1f}'} |"


def is_ready(id: str, settings: Any) -> bool:
    """Whether the data set was imported before."""
    return any(status.id == id and status.ready for status in list_datasets(settings))


def study(config: LandmarksConfig, settings: Any) -> str:
    """The finished run of ``config``: found, resumed or done now."""
    record = next(
        (
            r
            for r in list_runs(study="landmarks", settings=settings)
            if r.config == config.model_dump(mode="json")
        ),
        None,
    )
    if record is None:
        run_id = run_here("landmarks", config, settings=settings)
    else:
        run_id = record.id
        if record.resumable:
            resume(run_id, settings=settings, here=True)
    record = get_run(run_id, settings=settings)
    if record.error:
        raise SystemExit(record.error)
    return run_id


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", nargs="+", default=["pbmc_facs", "baron_human_subset"])
    parser.add_argument("--splits", type=int, default=3)
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--workspace", default=None)
    asked = parser.parse_args()
    shared = Path(os.environ.get("PERTURBSCOPE_SHARED", PROJECT_ROOT.parent / "shared")) / "data"
    warnings.simplefilter("ignore")
    for name in asked.data:
        with tempfile.TemporaryDirectory() as folder:
            settings = load_settings(workspace=Path(asked.workspace or folder))
            id = name.replace("_", "-")
            if not is_ready(id, settings):
                import_file(shared / f"{name}.h5ad", id=id, settings=settings)
            config = LandmarksConfig(dataset=id, name=name, n_splits=asked.splits)
            started = time.perf_counter()
            run_id = study(config, settings)
            seconds = time.perf_counter() - started
            result = LandmarksResult.load(settings.runs_folder / run_id)
            print(
                f"\n## {name}: {result.data['n_cells']:,} cells, {result.data['n_measured']} "
                f"measured, {result.data['n_predicted']:,} predicted genes; whole study "
                f"{seconds:.0f} s, {asked.splits} splits",
                flush=True,
            )
            found = None if asked.no_peers else run_peers(config, settings)
            print("\n| model | MSE | weighted MSE | s a fit |\n|---|---|---|---|")
            for key, model in result.scores()["models"].items():
                scores = (model["mse"]["splits"], model["weighted_mse"]["splits"])
                print(line(f"{model['label']} (`{key}`)", *scores, model["seconds"]))
            if found is not None:
                for peer, part in found.groupby("model", sort=False):
                    scores = (part["mse"].tolist(), part["weighted_mse"].tolist())
                    print(line(f"scikit-learn: {peer}", *scores, float(part["seconds"].mean())))


if __name__ == "__main__":
    main()
