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
from core.studies.screening.features import LENGTH, CountedMolecules, Molecules
from core.studies.screening.memory import peak_mb
from core.studies.screening.objectives import Objective, resolve
from core.studies.screening.scoring import Scorer

#: What a rejected row repeats of its input.
SHOWN = 500
_RANDOM = np.random.default_rng(20170).integers(1, 2**63, size=LENGTH + 2, dtype=np.uint64) | 1


@dataclass(frozen=True)
class ChunkTask:
    """One chunk's rows, as they travel to a worker."""

    folder: str
    index: int
    rows: list[int]
    ids: list[str]
    texts: list[str]
    faults: list[str]

    @classmethod
    def of(cls, folder: Path, index: int, chunk: pd.DataFrame) -> ChunkTask:
        """The task of one chunk of :meth:`MoleculeSource.chunks`."""
        columns = (chunk[name].tolist() for name in ("row", "id", "smiles", "fault"))
        return cls(str(folder), index, *columns)


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
    return Scorer(predictor, objective, tuple(plan["cell_types"]))


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
    quick = scorer.features.counts_suffice and not config.standardise.canonical_tautomer
    kept, molecules, texts, canonical, rejected = _read(
        task, config.standardise.canonical_tautomer, quick
    )
    files.write_table(files.rejected_file(folder, task.index), rejected)
    files.write_table(
        files.chunk_file(folder, task.index),
        _scored(scorer, task, kept, molecules, texts, canonical),
    )
    seconds = time.perf_counter() - started
    return ChunkDone(task.index, len(task.rows), rejected.num_rows, seconds, peak_mb())


@lru_cache(maxsize=2)
def _plan(folder: str, written: float) -> tuple[ScreeningConfig, dict[str, Any], Settings]:
    return read_plan(Path(folder))


def _read(
    task: ChunkTask, tautomer: bool, quick: bool
) -> tuple[list[int], Molecules, list[str], list[bool], pa.Table]:
    """Positions, molecules and texts of usable rows; a table of the others.

    ``quick``: Morgan counts are all that is wanted of a molecule.
    """
    kept: list[int] = []
    mols: list[Chem.Mol] = []
    counted = CountedMolecules()
    texts: list[str] = []
    canonical: list[bool] = []
    lost: list[tuple[int, str, str, str]] = []

    def keep(position: int, mol: Chem.Mol, text: str, changed: bool) -> None:
        kept.append(position)
        texts.append(text)
        canonical.append(changed)
        if quick:
            counted.add(mol, text)
        else:
            mols.append(mol)

    with rdBase.BlockLogs():
        for position, (text, fault) in enumerate(zip(task.texts, task.faults, strict=True)):
            if quick and not fault and (clean := read_clean(text)) is not None:
                keep(position, clean, text, False)
                continue
            reason = fault
            if not reason:
                parsed = parse_line(text)
                reason = parsed.reason
            if not reason and parsed.mol is not None:
                try:
                    done = standardise(parsed.mol, parsed.text, tautomer=tautomer, explain=False)
                except MoleculeError as error:
                    reason = str(error)
                else:
                    changed = done.mol is not parsed.mol
                    keep(position, done.mol, done.smiles if changed else parsed.text, changed)
                    continue
            lost.append((task.rows[position], task.ids[position], text[:SHOWN], reason))
    columns = list(zip(*lost, strict=True)) if lost else [()] * 4
    arrays = [
        pa.array(values, type=field.type)
        for values, field in zip(columns, files.REJECTED_SCHEMA, strict=True)
    ]
    molecules = counted if quick else Molecules(mols, [""] * len(mols))
    return kept, molecules, texts, canonical, pa.table(arrays, schema=files.REJECTED_SCHEMA)


def _scored(
    scorer: Scorer,
    task: ChunkTask,
    kept: list[int],
    molecules: Molecules,
    texts: list[str],
    canonical: list[bool],
) -> pa.Table:
    n = len(kept)
    columns: dict[str, Any] = {
        "row": pa.array([task.rows[i] for i in kept], pa.int64()),
        "id": pa.array([task.ids[i] for i in kept], pa.string()),
        "input": pa.array([task.texts[i] for i in kept], pa.string()),
        "smiles": pa.array(texts, pa.string()),
        "canonical": pa.array(canonical, pa.bool_()),
    }
    if n:
        columns |= _numbers(scorer, molecules)
    else:
        columns |= {
            "key": pa.array([], pa.uint64()),
            "score": pa.array([], pa.float64()),
            **{f"score/{cell}": pa.array([], pa.float32()) for cell in scorer.cell_types},
            "spread": pa.array([], pa.float32()),
            "p_value": pa.array([], pa.float64()),
            "nearest": pa.array([], pa.string()),
            "similarity": pa.array([], pa.float32()),
            "training_compound": pa.array([], pa.string()),
        }
    return pa.table(columns)


def _numbers(scorer: Scorer, molecules: Molecules) -> dict[str, pa.Array]:
    position, similarity = scorer.nearest(molecules)
    known = scorer.name_known(molecules, similarity)
    scores = scorer.score(molecules.named(known))
    names = np.asarray(scorer.training.names, dtype=object)
    return {
        "key": pa.array(identity_keys(molecules), pa.uint64()),
        "score": pa.array(scores.score, pa.float64()),
        **{
            f"score/{cell}": pa.array(scores.by_cell_type[:, i].astype(np.float32))
            for i, cell in enumerate(scorer.cell_types)
        },
        "spread": pa.array(scores.spread.astype(np.float32)),
        "p_value": pa.array(scores.p_value, pa.float64()),
        "nearest": pa.array(names[position], pa.string()),
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
