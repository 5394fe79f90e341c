"""A small finished screen, so that the screening page opens with hits.

The molecules are real: the 146 compounds of the competition and the building blocks that their
BRICS bonds cut them into. The model is the demo's classical ensemble, trained on the simulated
table, so scores and hits are simulated too, and every view says so.
"""

from __future__ import annotations

from typing import Any

from core.data.facts import op2_compounds
from core.errors import RunError
from core.progress import OnProgress
from core.runs.demo import DEMO_STEPS, DemoStep
from core.runs.jobs import get_run, list_runs, remove, run_here
from core.runs.store import STATUS, RunState, run_folders
from core.settings import Settings

TAG, MODEL_TAG, LABEL = "demo-screen", "demo-ensemble", "Demo: CD69 lowered"
#: Smaller pieces are solvents and linkers.
LEAST_ATOMS = 8


def _done(settings: Settings) -> bool:
    texts = ((path / STATUS).read_text("utf-8") for path in run_folders(settings))
    return any(f'"{TAG}"' in text and f'"{RunState.FINISHED}"' in text for text in texts)


def demo_library() -> str:
    """SMILES lines: the compounds by name, then their larger building blocks."""
    from rdkit import Chem

    from core.molecules.parse import parse
    from core.molecules.substructures import brics_fragments

    lines, seen = [], set()
    compounds = op2_compounds()
    pieces: list[str] = []
    for name, smiles in zip(compounds["sm_name"], compounds["SMILES"], strict=True):
        lines.append(f"{smiles} {name}")
        mol = parse(str(smiles))
        seen.add(Chem.MolToSmiles(mol))
        pieces += [piece.smiles for piece in brics_fragments(mol)]
    for text in dict.fromkeys(pieces):
        mol = Chem.MolFromSmiles(text)
        if mol is not None and mol.GetNumHeavyAtoms() >= LEAST_ATOMS and text not in seen:
            lines.append(f"{text} building block {len(lines) - len(compounds) + 1}")
    return "\n".join(lines) + "\n"


def _make(settings: Settings, on_progress: OnProgress) -> None:
    from core.studies.screening.config import ScreeningConfig
    from core.studies.screening.library import save_upload

    records = list_runs(settings=settings)
    for record in records:
        if TAG in record.tags and record.resumable:  # a set-up that was stopped half-way
            remove(record.id, settings=settings)
    models = [r for r in records if MODEL_TAG in r.tags and r.state == RunState.FINISHED]
    if not models:
        raise RunError("The demo screen needs the demo's classical ensemble, which is missing.")
    values: dict[str, Any] = {
        "name": LABEL,
        "input": save_upload("op2-compounds-and-blocks.smi", demo_library(), settings),
        "run_id": models[0].id,
        "objective": {"kind": "genes", "direction": "lower", "genes": ["CD69"]},
        "top_n": 20,
    }
    config = ScreeningConfig.model_validate(values)
    run_id = run_here(
        "screening", config, settings=settings, on_progress=on_progress, tags=("demo", TAG)
    )
    record = get_run(run_id, settings=settings)
    if record.state != RunState.FINISHED:
        raise RunError(f"The run '{record.name}' is {record.state}: {record.error}")


DEMO_STEPS.add(
    TAG,
    DemoStep(_done, _make),
    label=LABEL,
    help="The competition's compounds and their building blocks, screened with the demo model.",
)
