"""``python -m core molecules``: what the molecule panel shows, without a browser."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer

from core.cli._progress import ProgressBar
from core.data import load_perturbation
from core.molecules import depict, properties, substructures
from core.molecules.chemical_space import chemical_space
from core.molecules.conformers import embed, to_sdf
from core.molecules.library import Library, library
from core.molecules.morgan_bits import generator, set_bits
from core.molecules.neighbours import nearest, smarts_search
from core.molecules.parse import MoleculeError, parse, parse_line, split_name
from core.molecules.random_smiles import variants
from core.molecules.standardise import standardise

NAME = "molecules"
app = typer.Typer(
    help="Molecules: properties, drawings, conformers, parts, neighbours.", no_args_is_help=True
)

Smiles = Annotated[str, typer.Argument(help="SMILES or InChI; a name may follow after a space.")]
DataSetId = Annotated[str, typer.Option("--dataset", help="A prepared perturbation data set.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="File; default: stdout.")]


@app.command()
def show(smiles: Smiles, as_json: AsJson = False) -> None:
    """Identifiers, descriptors, drug-likeness rules and structural alerts."""
    mol = parse(smiles)
    names = asdict(properties.identifiers(mol))
    values = properties.descriptors(mol)
    rules = properties.rules(mol)
    alerts = properties.alerts(mol)
    if as_json:
        told: dict[str, Any] = {"identifiers": names, "descriptors": values}
        told["rules"] = [
            {"name": r.name, "passed": r.passed, "criteria": [asdict(c) for c in r.criteria]}
            for r in rules
        ]
        told["alerts"] = [asdict(alert) for alert in alerts]
        print(json.dumps(told, ensure_ascii=False))
        return
    for label, text in names.items():
        print(f"{label:10} {text}")
    print()
    for d in properties.DESCRIPTORS:
        print(f"{d.label:24} {values[d.name]:>12,.{d.decimals}f} {d.unit}")
    print()
    for rule in rules:
        verdict = "passes" if rule.passed else "fails"
        unmet = [
            f"{c.label} {c.value:.{c.decimals}f} ({c.limits})" for c in rule.criteria if not c.met
        ]
        print(f"{rule.name:10} {verdict:8} {'; '.join(unmet)}".rstrip())
    for alert in alerts:
        print(f"{alert.catalog:10} {alert.name}")


@app.command()
def draw(
    smiles: Smiles,
    output: Output = None,
    highlight: Annotated[str, typer.Option(help="SMARTS whose matches are highlighted.")] = "",
    dark: Annotated[bool, typer.Option("--dark", help="Colours for a dark page.")] = False,
) -> None:
    """Draw a molecule as SVG."""
    mol = parse(smiles)
    parts = []
    if highlight:
        parts = [depict.Highlight(hit.atoms) for hit in smarts_search(highlight, [mol])]
    _write(depict.draw(mol, size=(500, 380), highlights=parts, dark=dark), output)


@app.command()
def conformer(
    smiles: Smiles,
    output: Output = None,
    n: Annotated[int, typer.Option(min=1, max=100, help="Conformers to compare.")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the embedding.")] = 42,
) -> None:
    """Lowest-energy 3D conformer (ETKDG, MMFF94s) as SDF."""
    text, name = split_name(smiles)
    made = embed(parse(text), n_conformers=n, seed=seed)
    _write(to_sdf(made.mol, name, {"SMILES": text, "method": made.note}), output)
    print(made.note, file=sys.stderr)


@app.command()
def parts(smiles: Smiles) -> None:
    """BRICS fragments and functional groups with their counts and atoms."""
    for part in substructures.parts(parse(smiles)):
        print(f"{part.count}\t{part.kind}\t{part.label}\t{list(part.atoms)}")


@app.command()
def bits(
    smiles: Smiles,
    radius: Annotated[int, typer.Option(min=0, max=6, help="Radius in bonds.")] = 2,
    size: Annotated[int, typer.Option(min=16, max=65_536, help="Bits.")] = 2048,
) -> None:
    """The set Morgan bits and the environments behind each."""
    for bit in set_bits(parse(smiles), radius=radius, size=size):
        clash = "\tcollision" if bit.collision else ""
        for e in bit.environments:
            print(f"{bit.index}\tradius {e.radius}\t×{len(e.centres)}\t{e.smiles}{clash}")


@app.command("random")
def random_command(
    smiles: Smiles,
    n: Annotated[
        int, typer.Option("--count", "-n", min=1, max=1000, help="How many to draw.")
    ] = 10,
    seed: Annotated[int, typer.Option(min=0, help="Seed.")] = 0,
) -> None:
    """Distinct random SMILES, and whether each reads back as the same molecule."""
    for variant in variants(parse(smiles), n, seed=seed):
        same = variant.same_structure and variant.tanimoto == 1.0
        print(f"{'same' if same else 'DIFFERENT'}\t{variant.smiles}")


@app.command()
def similar(
    smiles: Smiles,
    dataset: DataSetId,
    k: Annotated[int, typer.Option("-k", min=1, max=1000, help="Neighbours.")] = 10,
) -> None:
    """The most similar compounds of a data set, by Tanimoto on Morgan fingerprints."""
    compounds = _library(dataset)
    query = generator().GetFingerprint(parse(smiles))
    for position, value in nearest(query, compounds.fingerprints, k):
        row = compounds.frame.iloc[position]
        print(f"{value:.3f}\t{row['name']}\t{row['SMILES']}")


@app.command()
def search(
    smarts: Annotated[str, typer.Argument(help="A SMARTS pattern.")], dataset: DataSetId
) -> None:
    """Compounds of a data set that hold a SMARTS pattern."""
    compounds = _library(dataset)
    hits = smarts_search(smarts, compounds.mols)
    for hit in hits:
        row = compounds.frame.iloc[hit.position]
        print(f"{len(hit.matches)}\t{row['name']}\t{row['SMILES']}")
    print(f"{len(hits):,} of {len(compounds):,} compounds.", file=sys.stderr)


@app.command()
def counts(dataset: DataSetId, output: Output = None) -> None:
    """Substructure-count matrix of a data set as CSV, compounds × parts."""
    compounds = _library(dataset)
    found = substructures.count_parts(compounds.mols)
    frame = pd.DataFrame(
        found.counts.toarray(), index=compounds.frame["name"], columns=list(found.labels)
    )
    _write(frame.to_csv(lineterminator="\n"), output)


@app.command("map")
def map_command(
    dataset: DataSetId,
    output: Output = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of UMAP.")] = 0,
) -> None:
    """Chemical space of a data set: UMAP on Tanimoto distance, as CSV."""
    compounds = _library(dataset)
    points = chemical_space(compounds.fingerprints, seed=seed)
    frame = compounds.frame.assign(x=points[:, 0], y=points[:, 1])
    _write(frame.to_csv(index=False, lineterminator="\n"), output)


@app.command("standardise")
def standardise_command(
    source: Annotated[typer.FileText, typer.Argument(help="Lines of 'SMILES [name]'; - is stdin.")],
    tautomer: Annotated[
        bool, typer.Option("--tautomer", help="Also move to the canonical tautomer (slow).")
    ] = False,
) -> None:
    """Parent form of each line: SMILES, name, what changed; rejected lines go to stderr."""
    for number, line in enumerate(source, start=1):
        if not line.strip():
            continue
        parsed = parse_line(line)
        if parsed.mol is None:
            print(f"line {number}: {parsed.reason}", file=sys.stderr)
            continue
        try:
            done = standardise(parsed.mol, parsed.text, tautomer=tautomer)
        except MoleculeError as error:
            print(f"line {number}: {error}", file=sys.stderr)
            continue
        print(f"{done.smiles}\t{parsed.name}\t{', '.join(done.changes)}")


def _library(dataset: str) -> Library:
    table = load_perturbation(dataset)
    with ProgressBar() as progress:
        return library(table.obs, on_progress=progress)


def _write(text: str, output: Path | None) -> None:
    if output is None:
        print(text, end="" if text.endswith("\n") else "\n")
    else:
        output.write_text(text, encoding="utf-8")
