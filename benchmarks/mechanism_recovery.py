"""Do signatures find drugs of the same mechanism again? 984 L1000 drugs, beside Tanimoto alone.

    python -m benchmarks.mechanism_recovery

For every member of a class its **measured** consensus signature is the query (the 50 strongest
genes of each direction, weighted), and all other drugs are ranked by the cosine of their response
with it. Three kinds of responses are ranked:

- measured: the drugs' own signatures, an upper bound that no screen of new molecules has;
- predicted: by neighbours and robust kernel ridge in equal parts, each drug by models that were
  fitted without it (ten folds, drugs grouped by InChIKey);
- predicted, class unseen: no member of the query's class was in training, so that a hit cannot
  come from a sibling's measured response.

and beside them Tanimoto similarity (Morgan 2) to the query's structure. For each: AUROC of the
other members against all drugs (0.5 is chance), their mean rank, and how many stand in the best
1 % (enrichment over chance). A reversed signature turns every ranking upside down, so matching
and reversing have the same numbers.

Classes are by drug name, after the drugs' labels and reviews: glucocorticoids (Barnes, *Br. J.
Pharmacol.* 148, 245 (2006)); HDAC inhibitors (Falkenberg & Johnstone, *Nat. Rev. Drug Discov.* 13,
673 (2014)); proteasome (Manasanch & Orlowski, *Nat. Rev. Clin. Oncol.* 14, 417 (2017)); HSP90
(Neckers & Workman, *Clin. Cancer Res.* 18, 64 (2012)); tubulin (Jordan & Wilson, *Nat. Rev.
Cancer* 4, 253 (2004)); HMG-CoA reductase (statins) and the sodium pump (cardiac glycosides).
A class needs two members in the table; those with fewer are named and left out.
"""

from __future__ import annotations

import os
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "2")

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from scipy.stats import rankdata  # noqa: E402

from core.featurizers.pipeline import FeaturePipeline  # noqa: E402
from core.metrics.connectivity import cosine_connectivity  # noqa: E402
from core.models.kernel_ridge import KernelRidge  # noqa: E402
from core.models.kernels import tanimoto  # noqa: E402
from core.models.knn import KNN  # noqa: E402
from core.settings import PROJECT_ROOT  # noqa: E402

SHARED = Path(os.environ.get("PERTURBSCOPE_SHARED", PROJECT_ROOT.parent / "shared")) / "data"
N_TOP, N_FOLDS, BEST = 50, 10, 0.01
CLASSES = {
    "glucocorticoids": "amcinonide beclomethasone betamethasone budesonide clobetasol cortisone "
    "desoximetasone dexamethasone diflorasone flunisolide fluocinolone fluocinonide "
    "fluorometholone flurandrenolide fluticasone hydrocortisone medrysone methylprednisolone "
    "mometasone prednicarbate prednisolone prednisone rimexolone triamcinolone",
    "HDAC inhibitors": "vorinostat trichostatin panobinostat belinostat romidepsin entinostat "
    "valproic",
    "proteasome inhibitors": "bortezomib carfilzomib ixazomib",
    "HSP90 inhibitors": "geldanamycin tanespimycin alvespimycin luminespib novobiocin",
    "tubulin": "albendazole colchicine docetaxel flubendazole griseofulvin mebendazole paclitaxel "
    "podofilox vinblastine vincristine vinorelbine",
    "statins": "atorvastatin fluvastatin lovastatin pravastatin rosuvastatin simvastatin",
    "cardiac glycosides": "digitoxin digoxin ouabain",
}


def predict(obs: pd.DataFrame, values: np.ndarray, train: np.ndarray, test: np.ndarray):
    """Responses of the test rows: neighbours and kernel ridge, half each."""
    pipeline = FeaturePipeline([])
    fitted = pipeline.fit_transform(obs.iloc[train].reset_index(drop=True), values[train])
    inputs = pipeline.transform(obs.iloc[test].reset_index(drop=True))
    models = (KNN(), KernelRidge())
    return sum(model.fit(fitted, values[train]).predict(inputs) for model in models) / 2


def main() -> None:
    frame = pd.read_parquet(SHARED / "l1000_consensus.parquet").dropna(subset=["SMILES"])
    frame = frame.reset_index(drop=True)
    values = np.clip(frame.iloc[:, 4:].to_numpy(np.float32), -10, 10)
    names = frame["name"].fillna("").str.lower()
    obs = pd.DataFrame({"cell_type": "any", "sm_name": frame.index.astype(str)})
    obs["SMILES"] = frame["SMILES"]
    group = frame["inchikey"].fillna(frame["SMILES"]).str[:14]
    codes = pd.factorize(group)[0]
    folds = np.random.default_rng(0).integers(N_FOLDS, size=codes.max() + 1)[codes]
    predicted = np.empty_like(values)
    for fold in range(N_FOLDS):
        test = np.flatnonzero(folds == fold)
        predicted[test] = predict(obs, values, np.flatnonzero(folds != fold), test)
    fingerprints = FeaturePipeline([]).fit_transform(obs, values).views["_tanimoto"]
    similarity = tanimoto(np.minimum(fingerprints, 1), np.minimum(fingerprints, 1))
    header = f"{'class':22} {'n':>3}  {'ranked by':26} {'AUROC':>6} {'mean rank':>9}"
    print(header + f" {'in best 1 %':>12} {'enrichment':>10}")
    for name, words in CLASSES.items():
        member = names.str.contains("|".join(words.split()), regex=True).to_numpy()
        members = np.flatnonzero(member)
        if len(members) < 2:
            found = ", ".join(names[members]) or "none"
            print(f"{name:22} {len(members):>3}  left out: only {found} is in the table")
            continue
        unseen = predicted.copy()
        outside = np.flatnonzero(~np.isin(codes, codes[members]))
        unseen[members] = predict(obs, values, outside, members)
        ways = {
            "measured (upper bound)": values,
            "predicted": predicted,
            "predicted, class unseen": unseen,
            "Tanimoto": None,
        }
        for way, responses in ways.items():
            report(name, way, members, codes, values, responses, similarity)


def report(
    name: str,
    way: str,
    members: np.ndarray,
    codes: np.ndarray,
    values: np.ndarray,
    responses: np.ndarray | None,
    similarity: np.ndarray,
) -> None:
    """One line: leave-one-out over the class's members."""
    areas, ranks, best, possible, expected = [], [], 0, 0, 0.0
    for query in members:
        others = np.flatnonzero(codes != codes[query])
        wanted = np.isin(others, members)
        if not wanted.any():
            continue
        scores = similarity[query, others]
        if responses is not None:
            scores = cosine_connectivity(responses[others], signature(values[query]))
        order = rankdata(-scores)  # ties share their mean rank
        n, k = len(others), int(wanted.sum())
        areas.append(1 - (order[wanted].sum() - k * (k + 1) / 2) / (k * (n - k)))
        ranks.append(order[wanted].mean())
        cut = max(1, round(BEST * n))
        best += int((order[wanted] <= cut).sum())
        possible += k
        expected += k * cut / n
    print(
        f"{name:22} {len(members):>3}  {way:26} {np.mean(areas):>6.3f} {np.mean(ranks):>9.1f} "
        f"{best:>5} of {possible:<4} {best / expected:>9.1f}×",
        flush=True,
    )


def signature(row: np.ndarray) -> np.ndarray:
    """The strongest genes of each direction with their values, zero elsewhere."""
    kept = np.zeros(len(row))
    for chosen in (np.argsort(-row)[:N_TOP], np.argsort(row)[:N_TOP]):
        kept[chosen] = row[chosen]
    return kept


if __name__ == "__main__":
    main()
