from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem
from rdkit.Chem import rdFingerprintGenerator

from core.errors import DataError
from core.featurizers.base import FEATURIZERS
from core.featurizers.fingerprints import FAMILIES, fingerprints
from core.featurizers.fragments import GROUPS, brics_counts, group_counts
from core.featurizers.molecules import map_molecules, structure

PARACETAMOL = "CC(=O)Nc1ccc(O)cc1"


def test_each_unique_smiles_is_computed_once() -> None:
    obs = pd.DataFrame({"SMILES": ["CCO", "C", "CCO", "CCO"]})
    calls: list[str] = []
    _, rows = map_molecules(obs, lambda s: calls.append(s) or s)
    assert calls == ["CCO", "C"]
    assert rows.tolist() == [0, 1, 0, 0]


@pytest.mark.parametrize("name", ["descriptors", "fragments", "morgan"])
def test_an_unreadable_smiles_names_its_row(name, obs, targets) -> None:
    obs = obs.copy()
    obs.loc[7, "SMILES"] = "C1CC"
    with pytest.raises(DataError, match=r"Row 7 \(paracetamol\).*C1CC"):
        FEATURIZERS.get(name).value().fit_transform(obs, targets)


@pytest.mark.parametrize("missing", [None, np.nan])
def test_a_missing_smiles_names_its_row(obs, targets, missing) -> None:
    obs = obs.copy()
    obs["SMILES"] = obs["SMILES"].astype(object)
    obs.loc[4, "SMILES"] = missing
    with pytest.raises(DataError, match=r"Row 4 \(caffeine\) has no SMILES"):
        FEATURIZERS.get("morgan").value().fit_transform(obs, targets)


def test_a_table_without_smiles_says_so(obs) -> None:
    with pytest.raises(DataError, match="no column 'SMILES'"):
        fingerprints(obs.drop(columns="SMILES"))


@given(st.text(alphabet="CNOcn1=()[]#.+-@H", max_size=12))
@settings(max_examples=80, deadline=None)
def test_any_text_is_featurized_or_refused_by_name(text: str) -> None:
    obs = pd.DataFrame({"sm_name": ["x"], "SMILES": [text]})
    try:
        counts = fingerprints(obs, length=64)
    except DataError as error:
        assert "Row 0 (x)" in str(error)
    else:
        assert counts.shape == (1, 64) and counts.sum() > 0


def test_counter_ions_are_left_out() -> None:
    assert Chem.MolToSmiles(structure("Cl.CCN")) == Chem.MolToSmiles(structure("CCN.Cl")) == "CCN"


@pytest.mark.parametrize("family", FAMILIES)
def test_fingerprints_equal_rdkits_dense_ones(family) -> None:
    from core.featurizers.fingerprints import generator

    dense = generator(family, 2, 512).GetCountFingerprintAsNumPy(Chem.MolFromSmiles(PARACETAMOL))
    ours = fingerprints(pd.DataFrame({"SMILES": [PARACETAMOL]}), family=family, length=512)
    assert np.array_equal(ours[0], dense.astype(np.float32))


def test_morgan_bits_and_counts() -> None:
    obs = pd.DataFrame({"SMILES": [PARACETAMOL], "sm_name": ["p"], "cell_type": ["c"]})
    kind = FEATURIZERS.get("morgan").value
    params = kind.Params(radius=1, length=256, kind="bits")
    bits = kind(params).fit(obs, np.zeros((1, 2))).transform(obs)[0]
    expected = rdFingerprintGenerator.GetMorganGenerator(radius=1, fpSize=256)
    assert np.array_equal(
        bits, expected.GetFingerprintAsNumPy(Chem.MolFromSmiles(PARACETAMOL)).astype(np.float32)
    )
    counts = kind(kind.Params(radius=0, length=256)).fit(obs, np.zeros((1, 2))).transform(obs)[0]
    assert counts.sum() == 11  # at radius 0 each heavy atom counts once


def test_brics_cuts_by_hand() -> None:
    # Paracetamol has two BRICS bonds, both at its nitrogen.
    assert brics_counts(PARACETAMOL, False) == {"CC=O": 1, "N": 1, "Oc1ccccc1": 1}
    labelled = brics_counts(PARACETAMOL, True)
    assert sum(labelled.values()) == 3
    assert all("*" in fragment for fragment in labelled)
    assert brics_counts("CCO", False) == {"CCO": 1}


def test_fragment_vocabulary_needs_min_count_compounds(obs, targets) -> None:
    kind = FEATURIZERS.get("fragments").value
    once = kind(kind.Params(min_count=1, groups=False)).fit(obs, targets).names
    twice = kind(kind.Params(min_count=2, groups=False)).fit(obs, targets).names
    assert set(twice) < set(once)
    assert "CC=O" in twice  # aspirin and paracetamol, whatever the number of their rows
    assert "CCO" in once and "CCO" not in twice  # three rows of ethanol are one compound


def test_groups_and_rings_by_hand() -> None:
    counts = dict(
        zip(
            FEATURIZERS.get("fragments").value().restore({"vocabulary": []}).names,
            group_counts("O=C(O)c1ccc2c(c1)CCC2"),
            strict=True,
        )
    )
    assert counts["fr_COO"] == 1
    assert counts["rings"] == 2
    assert counts["aromatic_rings"] == 1
    assert counts["rings_of_6"] == 1 and counts["rings_of_5"] == 1
    assert len(GROUPS) == 85


def test_descriptors_are_scaled_on_training_compounds(obs, targets) -> None:
    featurizer = FEATURIZERS.get("descriptors").value().fit(obs, targets)
    table = featurizer.transform(obs.drop_duplicates("sm_name"))
    assert np.abs(np.median(table, axis=0)).max() < 1e-5
    heavy = featurizer.names.index("HeavyAtomCount")
    atoms = np.array([13, 14, 11, 10, 3, 25])
    lower, center, upper = np.percentile(atoms, [25, 50, 75])
    np.testing.assert_allclose(
        table[:, heavy], np.minimum((atoms - center) / ((upper - lower) / 1.349), 5.0), rtol=1e-5
    )


def test_descriptors_survive_what_rdkit_cannot_compute(obs, targets) -> None:
    featurizer = FEATURIZERS.get("descriptors").value().fit(obs, targets)
    odd = pd.DataFrame({"SMILES": ["[Fe+2]", "[Na+].[Cl-]", "C" * 300, "[At]"]})
    table = featurizer.transform(odd)
    assert np.isfinite(table).all()
    assert np.abs(table).max() <= 5.0
