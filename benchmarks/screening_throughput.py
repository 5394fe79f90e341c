"""Screening throughput beside RDKit alone, from SMILES text to ranked parquet.

    python -m benchmarks.screening_throughput [--repeat 8] [--cluster] [--many 1000000]

RDKit's own rate (parse; parse + Morgan of radius 2, 2,048 bits) is measured in the same run, on
the same texts, on one core, before and after every screen. The screen reads the LINCS table
(``--repeat`` times for a longer run: every row is read, standardised and scored, but the start
and the comparison of stereoisomers then count once), predicts with a network (Morgan features,
978 genes), scores a signature with 1,000 permutations, merges duplicates and writes the ranked
table. The
first screen of a process also imports its modules and reads the model; the second one is what a
warm worker does. ``--cluster`` adds the local cluster with one and with two workers, ``--many``
so many rows of the table written at random, with two workers.

Rates of one process are per second of CPU, so that a busy machine does not spoil the comparison;
those of the cluster are by the clock and mean something on an idle machine only.
"""

from __future__ import annotations

import argparse
import gzip
import os
import random
import tempfile
import time
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
from rdkit import Chem, RDLogger  # noqa: E402
from rdkit.Chem import rdFingerprintGenerator  # noqa: E402

from core import runs  # noqa: E402
from core.data import save_perturbation  # noqa: E402
from core.data.table import PerturbationTable, content_hash  # noqa: E402
from core.settings import PROJECT_ROOT, Settings, load_settings  # noqa: E402
from core.studies.base import STUDIES, StudyContext  # noqa: E402
from core.studies.perturbation.config import PerturbationConfig  # noqa: E402
from core.studies.screening.config import ScreeningConfig  # noqa: E402

SHARED = Path(os.environ.get("PERTURBSCOPE_SHARED", PROJECT_ROOT.parent / "shared")) / "data"


def texts() -> list[str]:
    with gzip.open(SHARED / "lincs_compounds.csv.gz", "rt") as file:
        return pd.read_csv(file)["canonical_smiles"].astype(str).tolist()


def rdkit_rates(smiles: list[str]) -> tuple[float, float]:
    """Molecules a second: parse, and parse with Morgan; per second of CPU, best of two."""
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=2048)
    parse = morgan = float("inf")
    for _ in range(2):
        started = time.process_time()
        for text in smiles:
            Chem.MolFromSmiles(text)
        parse = min(parse, time.process_time() - started)
        started = time.process_time()
        for text in smiles:
            mol = Chem.MolFromSmiles(text)
            if mol is not None:
                generator.GetFingerprint(mol)
        morgan = min(morgan, time.process_time() - started)
    return len(smiles) / parse, len(smiles) / morgan


def l1000(settings: Settings) -> None:
    """The L1000 consensus table as a data set, responses clipped to ±10."""
    frame = pd.read_parquet(SHARED / "l1000_consensus.parquet").dropna(subset=["SMILES"])
    genes = pd.Index(frame.columns[4:])
    obs = pd.DataFrame(
        {
            "cell_type": "L1000 consensus",
            "sm_name": frame["name"].astype(str).to_numpy(),
            "sm_lincs_id": frame["drugbank_id"].astype(str).to_numpy(),
            "SMILES": frame["SMILES"].to_numpy(),
            "control": False,
            "split": "train",
        }
    )
    values = np.clip(frame[genes].to_numpy(np.float32), -10, 10)
    hashed = content_hash(obs, genes, values)
    save_perturbation(
        PerturbationTable("l1000", obs, genes, values, "z-score", False, hashed), settings
    )


def train(settings: Settings) -> str:
    l1000(settings)
    config = PerturbationConfig.model_validate(
        {
            "dataset": "l1000",
            "features": [{"name": "morgan"}],
            "models": [{"name": "mlp"}],
            "validation": {"scheme": "random", "n_folds": 2},
            "training": {"epochs": 3, "patience": 0, "device": "cpu"},
        }
    )
    run_id = runs.run_here("perturbation", config, settings=settings)
    record = runs.get_run(run_id, settings=settings)
    assert record.state == "finished", record.error
    return run_id


def config(run_id: str, library: Path, genes: list[str], chunk: int) -> ScreeningConfig:
    return ScreeningConfig.model_validate(
        {
            "input": str(library),
            "run_id": run_id,
            "chunk_size": chunk,
            "objective": {
                "kind": "signature",
                "direction": "reverse",
                "score": "cosine",
                "up": genes[:100],
                "down": genes[100:200],
            },
        }
    )


def repeated(path: Path, smiles: list[str], n: int) -> Path:
    """``n`` rows: the table over and over, every molecule written at random."""
    random.seed(0)
    mols = [mol for mol in map(Chem.MolFromSmiles, smiles) if mol is not None]
    with path.open("w") as file:
        for i in range(n):
            mol = mols[i % len(mols)]
            order = list(range(mol.GetNumAtoms()))
            random.shuffle(order)
            text = Chem.MolToSmiles(Chem.RenumberAtoms(mol, order), canonical=False)
            file.write(f"{text} m{i}\n")
    return path


def on_cluster(settings: Settings, made: ScreeningConfig, workers: int) -> dict[str, float]:
    local = settings.model_copy(update={"workers": workers})
    address = runs.ensure_cluster(local)
    try:
        for _ in range(2):  # the first run warms the workers: imports and the folded model
            run_id = runs.submit("screening", made, settings=local)
            runs.wait_handed_over(run_id)
            while (record := runs.get_run(run_id, settings=local)).active:
                time.sleep(0.2)
            assert record.state == "finished", (address, record.error)
        return record.metrics
    finally:
        runs.stop_cluster(local)


def row(what: str, rate: float, reference: float, extra: str = "") -> None:
    print(f"{what:44} {rate:>9,.0f}/s {rate / reference:>7.0%}  {extra}", flush=True)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--repeat", type=int, default=1, help="Times the LINCS table is read.")
    arguments.add_argument("--chunk", type=int, default=2000)
    arguments.add_argument("--cluster", action="store_true")
    arguments.add_argument("--many", type=int, default=0, help="Rows of random SMILES, cluster.")
    given = arguments.parse_args()
    RDLogger.DisableLog("rdApp.*")
    smiles = texts()
    with tempfile.TemporaryDirectory() as scratch:
        settings = load_settings(workspace=Path(scratch) / "w", device="cpu")
        run_id = train(settings)
        genes = list(pd.read_parquet(settings.runs_folder / run_id / "genes.parquet")["gene"])
        library = Path(scratch) / "lincs.smi"
        rows = [f"{text} m{i}-{k}\n" for k in range(given.repeat) for i, text in enumerate(smiles)]
        library.write_text("".join(rows))
        made = config(run_id, library, genes, given.chunk)
        parse, morgan = rdkit_rates(smiles)
        row("RDKit: parse", parse, morgan)
        row("RDKit: parse + Morgan", morgan, morgan)
        for what in ("first", "warm", "warm"):
            folder = Path(tempfile.mkdtemp(dir=scratch))
            started, cpu = time.perf_counter(), time.process_time()
            context = StudyContext(folder=folder, settings=settings)
            found = STUDIES.get("screening").value.run(made, context).summary()
            wall, cpu = time.perf_counter() - started, time.process_time() - cpu
            before, morgan = morgan, rdkit_rates(smiles)[1]
            extra = f"{found['unique']:,.0f} unique, {found['rejected']:.0f} rejected, "
            extra += f"{found['peak_memory_mb']:,.0f} MB peak, cpu {cpu:.1f} of {wall:.1f} s"
            row(f"Screen: one process, {what}", found["read"] / cpu, (before + morgan) / 2, extra)
            row("RDKit: parse + Morgan, once more", morgan, before)
        if given.cluster:
            rates = []
            for workers in (1, 2):
                found = on_cluster(settings, made, workers)
                rates.append(found["read"] / found["seconds"])
                row(f"Screen: cluster of {workers} worker(s), warm", rates[-1], morgan)
            print(f"two workers over one: {rates[1] / rates[0]:.2f}")
        if given.many:
            library = repeated(Path(scratch) / "many.smi", smiles, given.many)
            found = on_cluster_once(settings, config(run_id, library, genes, given.chunk))
            extra = f"{found['unique']:,.0f} unique, {found['peak_memory_mb']:,.0f} MB peak"
            row(f"Screen: {given.many:,} random SMILES, cluster", found["rate"], morgan, extra)


def on_cluster_once(settings: Settings, made: ScreeningConfig) -> dict[str, float]:
    """One run with two workers; also the peak of all the cluster's processes together."""
    import psutil

    local = settings.model_copy(update={"workers": 2})
    runs.ensure_cluster(local)
    peak = 0.0
    try:
        run_id = runs.submit("screening", made, settings=local)
        runs.wait_handed_over(run_id)
        while (record := runs.get_run(run_id, settings=local)).active:
            time.sleep(1)
            family = psutil.Process().children(recursive=True)
            total = 0
            for process in family:
                try:
                    total += process.memory_info().rss
                except psutil.NoSuchProcess:
                    continue
            peak = max(peak, total / 2**20)
        assert record.state == "finished", record.error
        found = record.metrics
        return found | {
            "rate": found["read"] / found["seconds"],
            "peak_memory_mb": max(peak, found["peak_memory_mb"]),
        }
    finally:
        runs.stop_cluster(local)


if __name__ == "__main__":
    main()
