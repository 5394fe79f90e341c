"""Which texts of a library are one molecule."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from rdkit import Chem

from core.molecules.parse import parse_line
from core.studies.screening import identity, merging
from core.studies.screening.identity import canonical, same_molecules

ALANINE = ("C[C@H](N)C(=O)O", "C[C@@H](N)C(=O)O", "N[C@@H](C)C(=O)O", "CC(N)C(=O)O")


@pytest.mark.parametrize(
    ("texts", "labels"),
    [
        (ALANINE[:2], [0, 1]),
        (ALANINE, [0, 1, 0, 3]),
        # tartaric acid: each centre has four different neighbours, but one can take the other's
        # place, so that two of these three are the same meso form
        (
            (
                "OC(=O)[C@H](O)[C@H](O)C(=O)O",
                "OC(=O)[C@@H](O)[C@@H](O)C(=O)O",
                "OC(=O)[C@H](O)[C@@H](O)C(=O)O",
            ),
            [0, 0, 2],
        ),
        # a mark on a carbon with two equal neighbours says nothing
        (("C[C@H](C)Cl", "C[C@@H](C)Cl", "CC(C)Cl"), [0, 0, 0]),
        # double bonds are left to the canonical form
        (("C/C=C/C", "C/C=C\\C", "C\\C=C\\C"), [0, 1, 0]),
        (("C[S@](=O)CC", "C[S@@](=O)CC"), [0, 1]),
    ],
)
def test_same_molecules(texts: tuple[str, ...], labels: list[int]) -> None:
    assert same_molecules(list(texts)) == labels


def test_marks_tell_apart_without_canonical_forms(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(text: str) -> str:
        raise AssertionError(text)

    monkeypatch.setattr(identity, "canonical", never)
    assert same_molecules(list(ALANINE[:2])) == [0, 1]


def test_stereoisomers_of_lincs_equal_the_canonical_way(shared_data: Path) -> None:
    """Groups that are written alike but for their marks, as the table has them."""
    table = pd.read_csv(shared_data / "lincs_compounds.csv.gz")
    groups = defaultdict(list)
    for text in table["canonical_smiles"].dropna().astype(str).unique():
        if "@" in text:
            groups[identity._unmarked(text)].append(text)
    found = [texts for texts in groups.values() if len(texts) > 1][::4]
    skipped = 0
    for texts in found:
        names = [canonical(text) for text in texts]
        assert same_molecules(texts) == [names.index(name) for name in names], texts
        skipped += len(identity._surely_alone(texts))
    assert skipped > 300, "the short way is hardly ever taken"


def test_duplicates_over_several_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Molecules written at random, among others that share their key by accident."""
    monkeypatch.setattr(merging, "BATCH", 3)
    texts, molecule = [], []
    for number, text in enumerate([*ALANINE[:2], "CCO", "c1ccccc1CO", "CCN"]):
        mol = parse_line(text).mol
        texts += Chem.MolToRandomSmilesVect(mol, 6, randomSeed=number + 1)
        molecule += [number] * 6
    shuffled = np.random.default_rng(0).permutation(len(texts))
    texts = [texts[i] for i in shuffled]
    molecule = [molecule[i] for i in shuffled]
    keys = {0: 1, 1: 1, 2: 2, 3: 1, 4: 5}
    table = pa.table(
        {"key": pa.array([keys[n] for n in molecule], pa.uint64()), "smiles": pa.array(texts)}
    )
    first = merging.duplicates(table, map)
    assert first.tolist() == [molecule.index(number) for number in molecule]
    assert merging.duplicates(table.slice(0, 0), map).tolist() == []
