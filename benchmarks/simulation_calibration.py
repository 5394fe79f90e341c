"""The simulation ``op2-demo`` beside the real figures it imitates.

Run: ``python -m benchmarks.simulation_calibration [--seeds 0 1 2]``; the real figures need the
shared data folder (``PERTURBSCOPE_SHARED``, else ``../shared``).
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
    return np.sqrt(np.mean(np.square(values, dtype=np.float64), axis=1))


def zero(train: pd.DataFrame, values: np.ndarray, test: pd.DataFrame) -> np.ndarray:
    return np.zeros((len(test), values.shape[1]))


def gene_mean(train: pd.DataFrame, values: np.ndarray, test: pd.DataFrame) -> np.ndarray:
    return np.broadcast_to(values.mean(axis=0), (len(test), values.shape[1]))


def gene_median(train: pd.DataFrame, values: np.ndarray, test: pd.DataFrame) -> np.ndarray:
    return np.broadcast_to(np.median(values, axis=0), (len(test), values.shape[1]))


def cell_type_mean(train: pd.DataFrame, values: np.ndarray, test: pd.DataFrame) -> np.ndarray:
    return np.stack(
        [values[(train["cell_type"] == c).to_numpy()].mean(axis=0) for c in test["cell_type"]]
    )


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
    _, _, basis = np.linalg.svd((values - centre) * weight[:, None], full_matrices=False)
    scores = (values - centre) @ basis[:RANK].T
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
    return centre + (predicted * scale) @ basis[:RANK]


PREDICTORS: dict[str, Predictor] = {
    "zero": zero,
    "gene mean": gene_mean,
    "gene median": gene_median,
    "cell-type mean": cell_type_mean,
    "compound mean": compound_mean,
    "compound median": compound_median,
    "profile ridge": profile_ridge,
}


def held_out(
    table: PerturbationTable, train: np.ndarray, test: np.ndarray, predictor: Predictor
) -> np.ndarray:
    """Row RMSE of ``predictor`` on the test rows."""
    obs, values = table.obs, table.values.astype(np.float32)
    predicted = predictor(
        obs.iloc[train].reset_index(drop=True), values[train], obs.iloc[test].reset_index(drop=True)
    )
    return row_rms(values[test] - predicted)


def leave_cell_type_out(table: PerturbationTable, predictor: Predictor) -> dict[str, float]:
    """Four folds: the 129 compounds unknown in B and myeloid cells, held out in one cell type."""
    obs = table.obs
    training = (obs["split"] == TRAIN).to_numpy()
    known = set(obs.loc[training & (obs["cell_type"] == "B cells"), "sm_name"])
    scores = {}
    for cell_type in CELL_TYPES[2:]:
        held = training & ((obs["cell_type"] == cell_type) & ~obs["sm_name"].isin(known)).to_numpy()
        errors = held_out(table, np.flatnonzero(training & ~held), np.flatnonzero(held), predictor)
        scores[cell_type] = float(errors.mean())
    return scores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    args = parser.parse_args()
    shared = Path(os.environ.get("PERTURBSCOPE_SHARED", PROJECT_ROOT.parent / "shared")) / "data"
    for seed in args.seeds:
        start = time.perf_counter()
        table = simulate_op2(seed=seed)
        print(f"\n===== seed {seed}: simulated in {time.perf_counter() - start:.1f} s =====")
        report(table, shared)


def report(table: PerturbationTable, shared: Path) -> None:
    obs, values = table.obs, table.values
    training = np.flatnonzero((obs["split"] == TRAIN).to_numpy())
    nk = table.rows(cell_type="NK cells")
    rms = row_rms(values)
    means = pd.DataFrame(
        {
            c: values[np.intersect1d(training, table.rows(cell_type=c))].mean(axis=0)
            for c in CELL_TYPES
        }
    )
    real_rms = pd.read_csv(shared / "op2_nk_row_rms.csv")["rmse_zero"].to_numpy()
    real_means = pd.read_parquet(shared / "op2_mean_de_by_cell_type.parquet")[list(CELL_TYPES)]

    print("\nRMS of NK rows")
    frame = pd.DataFrame(
        {"real": np.quantile(real_rms, LEVELS), "simulated": np.quantile(rms[nk], LEVELS)},
        index=[f"{level:.0%}" for level in LEVELS],
    )
    frame.loc["mean"] = [real_rms.mean(), rms[nk].mean()]
    print(frame.T.round(2).to_string())

    print("\nMeans over the training rows of a cell type, across genes")
    stats = {}
    for name, mean in (("real", real_means), ("simulated", means)):
        stats[name] = pd.DataFrame(
            {
                "mean": mean.mean(),
                "SD": mean.std(),
                "RMS": np.sqrt((mean**2).mean()),
                "1%": mean.quantile(0.01),
                "50%": mean.quantile(0.5),
                "99%": mean.quantile(0.99),
                "kurtosis": mean.kurt(),
            }
        )
    print(pd.concat(stats, axis=1).swaplevel(axis=1).sort_index(axis=1).round(2).to_string())
    print("\nCorrelation of these means between cell types: real, then simulated")
    print(np.hstack([real_means.corr().round(2), means.corr().round(2)]))

    print("\nRMS of rows by cell type and split (simulated)")
    print(pd.Series(rms).groupby([obs["split"], obs["cell_type"]]).describe().round(2).to_string())

    oracle = row_rms(values - table.truth)
    print("\nMRRMSE, trained on the training rows")
    rows = {}
    for split in (PUBLIC_TEST, PRIVATE_TEST):
        test = table.rows(split=split)
        rows[split] = {
            name: held_out(table, training, test, predictor).mean()
            for name, predictor in PREDICTORS.items()
        } | {"oracle": oracle[test].mean()}
    print(pd.DataFrame(rows).round(3).to_string())

    print("\nNK cells, leave one drug out")
    known = set(obs.loc[table.rows(cell_type="B cells", split=TRAIN), "sm_name"])
    challenge = ~obs["sm_name"].iloc[nk].isin(known).to_numpy()
    others = np.setdiff1d(training, nk)
    nk_rows = {"zero": rms[nk], "compound median": held_out(table, others, nk, compound_median)}
    for name, errors in nk_rows.items():
        print(f"{name:20} 146: {errors.mean():.3f}   129: {errors[challenge].mean():.3f}")
    print(f"{'oracle':20} 146: {oracle[nk].mean():.3f}   129: {oracle[nk][challenge].mean():.3f}")

    print("\nLeave one cell type out, 129 compounds")
    for name in ("zero", "cell-type mean", "compound median", "profile ridge"):
        scores = leave_cell_type_out(table, PREDICTORS[name])
        print(
            f"{name:20}",
            {k: round(v, 3) for k, v in scores.items()},
            f"mean {np.mean(list(scores.values())):.3f}",
        )
    published = known_results()
    print(
        published[
            published["benchmark"].isin(["leave-cell-type", "kaggle-private", "kaggle-public"])
        ][["benchmark", "method", "value", "note"]].to_string()
    )


if __name__ == "__main__":
    main()
