"""``python -m core screen``: preview a library, screen it, read and export the hits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer

from core import runs
from core.cli._watch import RunBar, cancel_on_interrupt, report
from core.cli.runs import find
from core.errors import ConfigError
from core.molecules.reading import preview as preview_file
from core.studies.screening.config import Score, ScreeningConfig
from core.studies.screening.result import ScreeningResult

NAME = "screen"
app = typer.Typer(help="Drug screening: libraries, screens, hits.", no_args_is_help=True)

Run = Annotated[str, typer.Argument(help="Id of a screen, the start or end of one, or 'last'.")]
Genes = Annotated[str, typer.Option(help="Symbols, separated by commas.")]


@app.command()
def preview(file: Annotated[Path, typer.Argument(help="CSV, TSV, SMI or SDF; .gz too.")]) -> None:
    """How a file of molecules will be read: its columns and first rows."""
    about = preview_file(file)
    print(about.words())
    print(f"structures: {about.smiles_column or ('the records' if about.kind == 'sdf' else '?')}")
    print(f"identifiers: {about.id_column or about.name_column or 'row numbers'}")
    print(about.rows.head(5).to_string(index=False, max_colwidth=40))


@app.command("run")
def run_command(
    library: Annotated[str, typer.Argument(help="A file of molecules, or a data set's id.")],
    model: Annotated[
        str, typer.Option("--model", "-m", help="A finished perturbation run, or 'last'.")
    ] = "last",
    lower: Genes = "",
    raised: Annotated[str, typer.Option("--raise", help="Symbols, separated by commas.")] = "",
    reverse: Annotated[
        str, typer.Option(help="A differential-expression table to reverse, or 'leukaemia'.")
    ] = "",
    match: Annotated[str, typer.Option(help="A differential-expression table to match.")] = "",
    up: Annotated[str, typer.Option(help="Up genes of a signature to reverse.")] = "",
    down: Annotated[str, typer.Option(help="Down genes of a signature to reverse.")] = "",
    score: Annotated[Score, typer.Option(help="How signatures are compared.")] = Score.WEIGHTED,
    cell_types: Annotated[str, typer.Option(help="Separated by commas; default: all.")] = "",
    smiles_column: Annotated[str, typer.Option(help="Column of structures.")] = "",
    id_column: Annotated[str, typer.Option(help="Column of identifiers.")] = "",
    tautomer: Annotated[
        bool, typer.Option("--tautomer", help="Canonical tautomers (slow).")
    ] = False,
    permutations: Annotated[int, typer.Option(min=0, help="Random signatures; 0: none.")] = 1000,
    name: Annotated[str, typer.Option(help="A name for the run.")] = "",
    background: Annotated[
        bool, typer.Option("--background", help="Give it to the cluster and return.")
    ] = False,
) -> None:
    """Screen a library; every option of the study is in ``python -m core run screening``."""
    config = ScreeningConfig.model_validate(
        {
            "name": name,
            "input": library,
            "run_id": _model(model),
            "cell_types": cell_types,
            "smiles_column": smiles_column or None,
            "id_column": id_column or None,
            "objective": _objective(lower, raised, reverse, match, up, down, score),
            "standardise": {"canonical_tautomer": tautomer},
            "n_permutations": permutations,
        }
    )
    if background:
        run_id = runs.submit("screening", config)
        runs.wait_handed_over(run_id)
        print(f"{run_id} is {runs.get_run(run_id).state}; see: python -m core runs watch {run_id}")
        return
    created: list[str] = []
    with RunBar() as bar, cancel_on_interrupt(lambda: created[-1] if created else None):
        run_id = runs.run_here("screening", config, on_progress=bar, on_created=created.append)
    raise typer.Exit(report(runs.get_run(run_id)))


@app.command()
def hits(
    run: Run = "last",
    n: Annotated[int, typer.Option("--count", "-n", min=1, help="How many to print.")] = 20,
    csv: Annotated[Path | None, typer.Option(help="Write all hits as CSV.")] = None,
    sdf: Annotated[Path | None, typer.Option(help="Write all hits as SDF.")] = None,
    rejected: Annotated[Path | None, typer.Option(help="Write rejected rows as CSV.")] = None,
) -> None:
    """The best molecules of a screen, and its tables as files."""
    result = _result(run)
    if result.simulated:
        print("The model was trained on simulated data: these are no real hits.")
    print(result.hits(n).drop(columns=["input"]).to_string(index=False, max_colwidth=48))
    if csv is not None:
        result.write_csv(csv)
    if sdf is not None:
        result.write_sdf(sdf)
    if rejected is not None:
        result.write_rejected_csv(rejected)


@app.command()
def explain(
    run: Run,
    hit: Annotated[str, typer.Argument(help="A hit's identifier.")],
    n: Annotated[int, typer.Option("--count", "-n", min=1, help="Genes of each direction.")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """What one hit is predicted to do, and which fragments carry its score."""
    result = _result(run)
    found = result.attribution(hit)
    response = result.predict_hit(hit).groupby("gene", sort=False)["response"].mean()
    ordered = response.sort_values()
    strongest = pd.concat([ordered.head(n), ordered.tail(n)[::-1]])
    if as_json:
        told: dict[str, Any] = {
            "score": found.score,
            "fragments": found.fragments.to_dict("records"),
            "genes": strongest.to_dict(),
        }
        print(json.dumps(told, ensure_ascii=False, default=list))
        return
    print(f"score {found.score:.4f}")
    for record in found.fragments.itertuples():
        print(f"{record.change:+.4f}  {record.smiles}  {record.atoms}")
    for gene, value in strongest.items():
        print(f"{value:+.3f}  {gene}")


def _result(run: str) -> ScreeningResult:
    if run == "last":
        finished = [r for r in runs.list_runs(study="screening") if r.state == "finished"]
        if not finished:
            raise ConfigError("There is no finished screen; start one with: screen run.")
        return ScreeningResult.load(finished[0].folder)
    return ScreeningResult.load(find(run).folder)


def _model(word: str) -> str:
    if word != "last":
        return find(word).id
    finished = [r for r in runs.list_runs(study="perturbation") if r.state == "finished"]
    if not finished:
        raise ConfigError("There is no finished perturbation run to predict with; train one first.")
    return finished[0].id


def _objective(
    lower: str, raised: str, reverse: str, match: str, up: str, down: str, score: Score
) -> dict[str, Any]:
    lists = bool(up or down)
    given = [bool(lower), bool(raised), bool(reverse), bool(match), lists]
    if sum(given) != 1:
        raise ConfigError(
            "Name one objective: --lower, --raise, --reverse, --match, or --up with --down."
        )
    if lower or raised:
        direction = "lower" if lower else "raise"
        return {"kind": "genes", "direction": direction, "genes": lower or raised}
    made: dict[str, Any] = {"kind": "signature", "score": score}
    if lists:
        return made | {"direction": "reverse", "up": up, "down": down}
    return made | {"direction": "match" if match else "reverse", "table": match or reverse}
