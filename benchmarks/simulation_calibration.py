"""The simulation ``op2-demo`` beside the real figures it imitates, and what models make of it.

Run: ``python -m benchmarks.simulation_calibration [--seeds 0 1 2]`` (about 10 s a seed). The
real figures need the shared data folder (``PERTURBSCOPE_SHARED``, else ``../shared``).
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from core.data.facts import known_results
from core.data.simulation import simulate_op2
from core.data.table import PRIVATE_TEST, PUBLIC_TEST, TRAIN, PerturbationTable
from core.metrics.regression import row_rmse
from core.settings import PROJECT_ROOT

CELL_TYPES = (
    "B cells",
    "Myeloid cells",
    "NK cells",
    "T cells CD4+",
    "T cells CD8+",
    "T regulatory cells",
)
LEVELS = (0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1)
RANK = 40

Predictor = Callable[[pd.DataFrame, np.ndarray, pd.DataFrame], np.ndarray]


def row_rms(values: np.ndarray) -> np.ndarray:
    """Root mean square of each row."""
    return row_rmse(values, np.zeros_like(values))


def zero(train: pd.DataFrame, values: np.ndarray, test: pd.DataFrame) -> np.ndarray:
    return np.zeros((len(test), values.shape[1]))


def gene_mean(train: pd.DataFrame, values: np.ndarray, test: pd.DataFrame) -> np.ndarray:
    return np.broadcast_to(values.mean(axis=0), (len(test), values.shape[1]))


def gene_median(train: pd.DataFrame, values: np.ndarray, test: pd.DataFrame) -> np.ndarray:
    return np.broadcast_to(np.median(values, axis=0), (len(test), values.shape[1]))


def _by_cell_type(
    train: pd.DataFrame, values: np.ndarray, test: pd.DataFrame, pool: Callable
) -> np.ndarray:
    pooled = {
        c: pool(values[(train["cell_type"] == c).to_numpy()], axis=0)
        for c in test["cell_type"].unique()
    }
    return np.stack([pooled[c] for c in test["cell_type"]])


def cell_type_mean(train: pd.DataFrame, values: np.ndarray, test: pd.DataFrame) -> np.ndarray:
    return _by_cell_type(train, values, test, np.mean)


def cell_type_median(train: pd.DataFrame, values: np.ndarray, test: pd.DataFrame) -> np.ndarray:
    return _by_cell_type(train, values, test, np.median)


def _by_compound(
    train: pd.DataFrame, values: np.ndarray, test: pd.DataFrame, pool: Callable
) -> np.ndarray:
    return np.stack(
        [pool(values[(train["sm_name"] == d).to_numpy()], axis=0) for d in test["sm_name"]]
    )


def compound_mean(train: pd.DataFrame, values: np.ndarray, test: pd.DataFrame) -> np.ndarray:
    return _by_compound(train, values, test, np.mean)


def compound_median(train: pd.DataFrame, values: np.ndarray, test: pd.DataFrame) -> np.ndarray:
    return _by_compound(train, values, test, np.median)


def profile_ridge(train: pd.DataFrame, values: np.ndarray, test: pd.DataFrame) -> np.ndarray:
    """Ridge from the compound's mean profile in its other rows, with a slope a cell type.

    Rows are weighted by their inverse RMS, as the gradient of the row-wise RMSE does; the
    penalty is chosen by leaving out whole compounds of the training rows.
    """
    weight = 1 / np.maximum(row_rms(values), 0.3)
    centre = np.median(values, axis=0)
    centred = values - centre
    weighted = centred * weight[:, None].astype(np.float32)
    # Leading right singular vectors by way of the small (rows × rows) Gram matrix.
    power, left = np.linalg.eigh((weighted @ weighted.T).astype(np.float64))
    left, power = left[:, ::-1][:, :RANK], power[::-1][:RANK]
    basis = (left / np.sqrt(power)).T.astype(np.float32) @ weighted
    scores = (centred @ basis.T).astype(np.float64)
    scale = np.sqrt(np.mean((scores * weight[:, None]) ** 2, axis=0)) + 1e-9
    scores = scores / scale

    def features(rows: pd.DataFrame, own: bool) -> np.ndarray:
        blocks = []
        for i, (cell_type, name) in enumerate(zip(rows["cell_type"], rows["sm_name"], strict=True)):
            others = (train["sm_name"] == name).to_numpy().copy()
            if own:
                others[i] = False
            profile = scores[others].mean(axis=0) if others.any() else np.zeros(scores.shape[1])
            inner = np.concatenate([[3.0], profile])
            onehot = np.array([cell_type == c for c in CELL_TYPES], dtype=float)
            blocks.append(np.concatenate([inner, np.outer(onehot, inner).ravel()]))
        return np.stack(blocks)

    x, x_test = features(train, own=True), features(test, own=False)
    xw, yw = x * weight[:, None], scores * weight[:, None]
    groups = pd.factorize(train["sm_name"])[0] % 5

    def fit(rows: np.ndarray, penalty: float) -> np.ndarray:
        gram = xw[rows].T @ xw[rows] + penalty * np.eye(x.shape[1])
        return np.linalg.solve(gram, xw[rows].T @ yw[rows])

    def loss(penalty: float) -> float:
        total = 0.0
        for fold in range(5):
            held = groups == fold
            error = (x[held] @ fit(~held, penalty) - scores[held]) * scale
            total += np.sqrt((error**2).sum(axis=1)).sum()
        return total

    best = min((1, 3, 10, 30, 100, 300, 1000, 3000), key=loss)
    predicted = x_test @ fit(np.ones(len(train), dtype=bool), best)
    return centre + (predicted * scale).astype(np.float32) @ basis


PREDICTORS: dict[str, Predictor] = {
    "zero": zero,
    "gene mean": gene_mean,
    "gene median": gene_median,
    "cell-type mean": cell_type_mean,
    "cell-type median": cell_type_median,
    "compound mean": compound_mean,
    "compound median": compound_median,
    "profile ridge": profile_ridge,
}


def held_out(
    table: PerturbationTable, train: np.ndarray, test: np.ndarray, predictor: Predictor
) -> np.ndarray:
    """Row RMSE of ``predictor`` on the test rows."""
    train_obs = table.obs.iloc[train].reset_index(drop=True)
    test_obs = table.obs.iloc[test].reset_index(drop=True)
    return row_rmse(table.values[test], predictor(train_obs, table.values[train], test_obs))


def row_magnitudes(table: PerturbationTable, real: np.ndarray) -> pd.DataFrame:
    """Quantiles of the RMS of NK rows."""
    rms = row_rms(table.values[table.rows(cell_type="NK cells")])
    rows = {}
    for name, values in (("real", real), ("simulated", rms)):
        rows[name] = [*np.quantile(values, LEVELS), values.mean()]
    return pd.DataFrame(rows, index=[*(f"{level:.0%}" for level in LEVELS), "mean"]).T


def training_means(table: PerturbationTable) -> pd.DataFrame:
    """Mean of each gene over the training rows of each cell type."""
    return pd.DataFrame(
        {
            cell_type: table.values[table.rows(split=TRAIN, cell_type=cell_type)].mean(axis=0)
            for cell_type in CELL_TYPES
        }
    )


def mean_statistics(means: pd.DataFrame) -> pd.DataFrame:
    """How the means per cell type spread over genes."""
    return pd.DataFrame(
        {
            "mean": means.mean(),
            "SD": means.std(),
            "RMS": np.sqrt((means**2).mean()),
            "1%": means.quantile(0.01),
            "median": means.quantile(0.5),
            "99%": means.quantile(0.99),
        }
    )


def scores(table: PerturbationTable) -> dict[tuple[str, str], float]:
    """MRRMSE by (setting, method), in every setting that has published figures."""
    obs = table.obs
    oracle = row_rmse(table.values, table.truth)
    training = table.rows(split=TRAIN)
    found: dict[tuple[str, str], float] = {}

    for split, setting in ((PRIVATE_TEST, "kaggle-private"), (PUBLIC_TEST, "kaggle-public")):
        test = table.rows(split=split)
        for name, predictor in PREDICTORS.items():
            found[setting, name] = held_out(table, training, test, predictor).mean()
        found[setting, "oracle (truth)"] = oracle[test].mean()

    nk = table.rows(cell_type="NK cells")
    known = set(obs["sm_name"].iloc[table.rows(cell_type="B cells", split=TRAIN)])
    unknown = ~obs["sm_name"].iloc[nk].isin(known).to_numpy()
    others = np.setdiff1d(training, nk)
    errors = {
        "zero": held_out(table, others, nk, zero),
        "compound median": held_out(table, others, nk, compound_median),
        "oracle (truth)": oracle[nk],
    }
    for name, rows in errors.items():
        found["nk-leave-one-drug-out", name] = rows.mean()
        found["nk-leave-one-drug-out-129", name] = rows[unknown].mean()

    for name in ("zero", "cell-type median", "compound median", "profile ridge"):
        folds = []
        for cell_type in CELL_TYPES[2:]:
            rows = table.rows(split=TRAIN, cell_type=cell_type)
            held = rows[~obs["sm_name"].iloc[rows].isin(known).to_numpy()]
            rest = np.setdiff1d(training, held)
            folds.append(held_out(table, rest, held, PREDICTORS[name]).mean())
            found[f"leave-cell-type: {cell_type}", name] = folds[-1]
        found["leave-cell-type", name] = float(np.mean(folds))
    return found


#: Which published method answers to which of ours.
PUBLISHED = {
    ("nk-leave-one-drug-out", "zero"): "predict zero",
    ("nk-leave-one-drug-out", "compound median"): "median of drug over cell types",
    ("nk-leave-one-drug-out-129", "zero"): "predict zero",
    ("nk-leave-one-drug-out-129", "compound median"): "drug median",
    ("leave-cell-type", "profile ridge"): "ridge_recommender",
}


def published(setting: str, name: str, table: pd.DataFrame) -> str:
    """The published figure of the same method, or the published range for the best ones."""
    rows = table[table["benchmark"] == setting]
    if (setting, name) in PUBLISHED:
        return f"{rows.set_index('method').loc[PUBLISHED[setting, name], 'value']:.3f}"
    if setting.startswith("leave-cell-type: ") and name == "profile ridge":
        folds = table.set_index("method").loc["ridge_recommender", "note"].split("/")
        fold = CELL_TYPES[2:].index(setting.removeprefix("leave-cell-type: "))
        # The source lists the folds as NK, CD4, CD8, Treg: the order of CELL_TYPES.
        return folds[fold]
    if setting.startswith("kaggle-") and name == "profile ridge":
        return f"best {rows['value'].min():.3f}"
    return ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    args = parser.parse_args()
    shared = Path(os.environ.get("PERTURBSCOPE_SHARED", PROJECT_ROOT.parent / "shared")) / "data"
    real_rms = pd.read_csv(shared / "op2_nk_row_rms.csv")["rmse_zero"].to_numpy()
    real_means = pd.read_parquet(shared / "op2_mean_de_by_cell_type.parquet")[list(CELL_TYPES)]
    pd.set_option("display.width", 160)
    pd.set_option("display.max_columns", 30)

    by_seed = {}
    for seed in args.seeds:
        start = time.perf_counter()
        table = simulate_op2(seed=seed)
        print(f"\n===== seed {seed}: simulated in {time.perf_counter() - start:.1f} s =====")
        print("\nRMS of NK rows")
        print(row_magnitudes(table, real_rms).round(2))
        means = training_means(table)
        print("\nMeans over the training rows of a cell type, across genes")
        statistics = {"real": mean_statistics(real_means), "simulated": mean_statistics(means)}
        joined = pd.concat(statistics, axis=1).swaplevel(axis=1)
        print(joined[statistics["real"].columns].round(2))
        print("\nCorrelation of these means between cell types: real, then simulated")
        print(np.hstack([real_means.corr().round(2), means.corr().round(2)]))
        by_seed[f"seed {seed}"] = scores(table)

    print("\nMRRMSE")
    figures = pd.DataFrame(by_seed).round(3)
    results = known_results()
    figures.insert(0, "real", [published(*key, results) for key in figures.index])
    print(figures.to_string())


if __name__ == "__main__":
    main()
