"""One chunk of a screen: from rows of text to a file of scored molecules and one of rejected rows.

A chunk depends on nothing but its rows and the plan in the run's folder, and writes its files in
one step each: it can be done by any worker, and twice without harm.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from rdkit import Chem, rdBase

from core.molecules.parse import MoleculeError, parse_line
from core.molecules.standardise import read_clean, standardise
from core.settings import Settings, get_settings
from core.studies.perturbation.files import read_json
from core.studies.perturbation.predictor import Predictor
from core.studies.screening import files
from core.studies.screening.config import ScreeningConfig
from core.studies.screening.domain import Domain
from core.studies.screening.features import LENGTH, CountedMolecules, Molecules
from core.studies.screening.library import Rows
from core.studies.screening.memory import peak_mb
from core.studies.screening.objectives import Objective, resolve
from core.studies.screening.scoring import Scorer

#: What a rejected row repeats of its input.
SHOWN = 500
_RANDOM = np.random.default_rng(20170).integers(1, 2**63, size=LENGTH + 2, dtype=np.uint64) | 1


@dataclass(frozen=True)
class ChunkTask:
    """One chunk's rows, as they travel to a worker: raw, so that it understands them."""

    folder: str
    index: int
    rows: Rows


@dataclass(frozen=True)
class ChunkDone:
    """What a finished chunk tells."""

    index: int
    read: int
    rejected: int
    seconds: float
    peak_mb: float


def read_plan(folder: Path) -> tuple[ScreeningConfig, dict[str, Any], Settings]:
    """The config of the screen in ``folder``, its resolved parts, and the settings in force."""
    plan = read_json(folder / files.PLAN)
    values = plan["settings"]
    settings = Settings.model_construct(**values | {"workspace": Path(values["workspace"])})
    return ScreeningConfig.model_validate(plan["config"]), plan, settings


def load_predictor(model_folder: Path, settings: Settings) -> Predictor:
    """The models of the run in ``model_folder``, read once a process."""
    return _predictor(str(model_folder), settings.device)


@lru_cache(maxsize=1)
def _predictor(model_folder: str, device: str) -> Predictor:
    settings = get_settings().model_copy(update={"device": device})
    return Predictor.load(Path(model_folder), settings)


@lru_cache(maxsize=1)
def _domain(model_folder: str, device: str) -> Domain:
    return Domain(_predictor(model_folder, device).compounds)


@lru_cache(maxsize=2)
def load_scorer(folder: str, written: float) -> Scorer:
    """The scorer of the screen in ``folder``, made once a process.

    ``written`` is the plan's time: a new plan in the same folder is a new scorer.
    """
    config, plan, settings = read_plan(Path(folder))
    predictor = load_predictor(Path(plan["model_folder"]), settings)
    found = plan["objective"]
    objective = Objective(
        np.asarray(found["up"], dtype=np.int64),
        np.asarray(found["down"], dtype=np.int64),
        np.asarray(found["weights"], dtype=np.float64),
        len(predictor.genes),
        found["score"],
        float(found["sign"]),
        int(found["n_permutations"]),
        config.seed,
    )
    domain = _domain(plan["model_folder"], settings.device)
    return Scorer(predictor, objective, tuple(plan["cell_types"]), domain)


def scorer_of(folder: Path) -> Scorer:
    """The scorer of the screen in ``folder``."""
    return load_scorer(str(folder), (folder / files.PLAN).stat().st_mtime)


def plan_of(
    config: ScreeningConfig, predictor: Predictor, model_folder: Path, settings: Settings
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Everything a worker needs besides its rows, in plain types, and the report on the genes."""
    objective, match, signature = resolve(
        config.objective,
        predictor.genes,
        settings,
        n_permutations=config.n_permutations,
        seed=config.seed,
    )
    plan = {
        "config": config.model_dump(mode="json"),
        "settings": settings.model_dump(mode="json"),
        "model_folder": str(model_folder),
        "cell_types": list(config.cell_types or predictor.cell_types),
        "signature": {"source": signature.source},
        "objective": {
            "up": objective.up.tolist(),
            "down": objective.down.tolist(),
            "weights": objective.weights.tolist(),
            "score": str(objective.score),
            "sign": objective.sign,
            "n_permutations": objective.n_permutations,
        },
    }
    return plan, match.table()


def score_chunk(task: ChunkTask) -> ChunkDone:
    """Read, standardise, score and save one chunk."""
    started = time.perf_counter()
    folder = Path(task.folder)
    scorer = scorer_of(folder)
    config, _, _ = _plan(task.folder, (folder / files.PLAN).stat().st_mtime)
    taken = _read(task.rows, config.standardise.canonical_tautomer, scorer)
    files.write_table(files.rejected_file(folder, task.index), taken.rejected)
    files.write_table(files.chunk_file(folder, task.index), _scored(scorer, taken))
    seconds = time.perf_counter() - started
    return ChunkDone(task.index, len(task.rows), taken.rejected.num_rows, seconds, peak_mb())


@lru_cache(maxsize=2)
def _plan(folder: str, written: float) -> tuple[ScreeningConfig, dict[str, Any], Settings]:
    return read_plan(Path(folder))


@dataclass(frozen=True)
class _Taken:
    """Usable rows of a chunk as a table of texts and as molecules; a table of the others."""

    table: dict[str, pa.Array]
    molecules: Molecules
    rejected: pa.Table


def _read(rows: Rows, tautomer: bool, scorer: Scorer) -> _Taken:
    """Read and standardise a chunk's rows."""
    # Where Morgan counts are all that is wanted of a molecule, it is not kept.
    quick = scorer.features.counts_suffice and not tautomer
    counted = CountedMolecules(scorer.domain.prints)
    ids, given, faults = rows.texts()
    mols: list[Chem.Mol] = []
    kept: list[int] = []
    smiles: list[str] = []
    lost: list[int] = []
    reasons: list[str] = []
    with rdBase.BlockLogs():
        for position, text in enumerate(given):
            fault = faults[position]
            if quick and not fault and (clean := read_clean(text)) is not None:
                counted.add(clean, text)
                kept.append(position)
                smiles.append(text)
                continue
            mol, written = None, ""
            if not fault:
                mol, written, fault = _standard(text, tautomer)
            if mol is None:
                lost.append(position)
                reasons.append(fault)
                continue
            if quick:
                counted.add(mol, written)
            else:
                mols.append(mol)
            kept.append(position)
            smiles.append(written)
    rejected = [
        pa.array([rows.start + i for i in lost], pa.int64()),
        pa.array([ids[i] for i in lost], pa.string()),
        pa.array([given[i][:SHOWN] for i in lost], pa.string()),
        pa.array(reasons, pa.string()),
    ]
    whole = len(kept) == len(ids)
    table = {
        "row": pa.array(rows.start + np.asarray(kept, dtype=np.int64)),
        "id": pa.array(ids if whole else [ids[i] for i in kept], pa.string()),
        "input": pa.array(given if whole else [given[i] for i in kept], pa.string()),
        "smiles": pa.array(smiles, pa.string()),
    }
    molecules = counted if quick else Molecules(mols, [""] * len(mols))
    return _Taken(table, molecules, pa.table(rejected, schema=files.REJECTED_SCHEMA))


def _standard(text: str, tautomer: bool) -> tuple[Chem.Mol | None, str, str]:
    """Parent molecule and its text; the reason where there is none."""
    parsed = parse_line(text)
    if parsed.mol is None:
        return None, "", parsed.reason
    try:
        done = standardise(parsed.mol, parsed.text, tautomer=tautomer, explain=False)
    except MoleculeError as error:
        return None, "", str(error)
    return done.mol, parsed.text if done.mol is parsed.mol else done.smiles, ""


def _scored(scorer: Scorer, taken: _Taken) -> pa.Table:
    if len(taken.molecules):
        return pa.table(taken.table | _numbers(scorer, taken.molecules))
    empty = {
        "key": pa.array([], pa.uint64()),
        "score": pa.array([], pa.float64()),
        **{f"score/{cell}": pa.array([], pa.float32()) for cell in scorer.cell_types},
        "spread": pa.array([], pa.float32()),
        "p_value": pa.array([], pa.float64()),
        "nearest": pa.array([], pa.string()),
        "similarity": pa.array([], pa.float32()),
        "training_compound": pa.array([], pa.string()),
    }
    return pa.table(taken.table | empty)


def _numbers(scorer: Scorer, molecules: Molecules) -> dict[str, pa.Array]:
    position, similarity = scorer.domain.nearest(molecules)
    known = scorer.domain.names_of(molecules, similarity)
    scores = scorer.score(molecules.named(known))
    return {
        "key": pa.array(identity_keys(molecules), pa.uint64()),
        "score": pa.array(scores.score, pa.float64()),
        **{
            f"score/{cell}": pa.array(scores.by_cell_type[:, i].astype(np.float32))
            for i, cell in enumerate(scorer.cell_types)
        },
        "spread": pa.array(scores.spread.astype(np.float32)),
        "p_value": pa.array(scores.p_value, pa.float64()),
        "nearest": scorer.domain.names.take(pa.array(position)),
        "similarity": pa.array(similarity),
        "training_compound": pa.array(known, pa.string()),
    }


def identity_keys(molecules: Molecules) -> np.ndarray:
    """A number that equal molecules share, uint64 ``(n,)``; different ones may share it too.

    Made of the Morgan counts and the numbers of atoms and bonds: cheap, where a canonical SMILES
    costs half a parse. Rows that share a key are compared by their canonical SMILES afterwards.
    """
    keys = molecules.sparse_counts.astype(np.uint64) @ _RANDOM[:LENGTH]
    atoms, bonds = molecules.sizes.T
    return np.asarray(keys + atoms * _RANDOM[-2] + bonds * _RANDOM[-1])
