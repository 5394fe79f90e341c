from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from core.errors import ConfigError
from core.training.splits import (
    NEVER,
    compound_groups,
    make_folds,
    murcko,
)

ABUNDANT, SCARCE = ("NK cells", "T cells CD4+", "T cells CD8+"), ("B cells", "Myeloid cells")


def chain(length: int) -> str:
    return "C" * length


def table(pairs: list[tuple[str, str, str]]) -> pd.DataFrame:
    return pd.DataFrame(pairs, columns=["cell_type", "sm_name", "SMILES"])


def one_cell_type(smiles: list[str]) -> pd.DataFrame:
    return table([("all", f"c{i}", text) for i, text in enumerate(smiles)])


def competition() -> pd.DataFrame:
    """40 compounds in three cell types; 5 of them in two more, as in the competition."""
    pairs = [(cell, f"c{i}", chain(i + 1)) for cell in ABUNDANT for i in range(40)]
    return table(pairs + [(cell, f"c{i}", chain(i + 1)) for cell in SCARCE for i in range(5)])


def test_random_folds_are_balanced_and_follow_the_seed():
    obs = competition()
    folds = make_folds(obs, "random", 4, 1)
    assert np.bincount(folds).max() - np.bincount(folds).min() <= 1
    assert (folds == make_folds(obs, "random", 4, 1)).all()
    assert (folds != make_folds(obs, "random", 4, 2)).any()


def test_random_keeps_duplicates_of_one_compound_together():
    obs = one_cell_type(["CCO", "OCC", "CCN", "CCC", "c1ccccc1"])  # the first two are ethanol
    for seed in range(10):
        folds = make_folds(obs, "random", 3, seed)
        assert folds[0] == folds[1]


@pytest.mark.parametrize(
    "same",
    [
        ("C[C@H](N)C(=O)O", "C[C@@H](N)C(=O)O"),  # stereoisomers
        ("CC(=O)O", "CC(=O)O.[Na]"),  # a salt
    ],
)
def test_leave_compound_out_groups_by_connectivity(same: tuple[str, str]):
    obs = one_cell_type([*same, "CCO", "CCN", "CCC"])
    groups = compound_groups(obs)
    assert groups[0] == groups[1]
    assert len(np.unique(groups)) == 4


def test_an_inchikey_or_a_name_joins_what_the_smiles_does_not():
    obs = one_cell_type(["CCO", "CCN", "CCC", "CCCl"])
    obs["inchikey"] = ["AAAAAAAAAAAAAA-X", "AAAAAAAAAAAAAA-Y", None, ""]
    obs.loc[3, "sm_name"] = "c2"
    groups = compound_groups(obs)
    assert groups[0] == groups[1]
    assert groups[2] == groups[3]
    assert groups[0] != groups[2]


def test_leave_compound_out_never_splits_a_compound():
    obs = competition()
    folds = make_folds(obs, "leave-compound-out", 5, 0)
    assert obs.assign(fold=folds).groupby("sm_name")["fold"].nunique().max() == 1
    assert set(folds) == set(range(5))
    sizes = np.bincount(folds)
    assert sizes.max() <= sizes.min() + 5  # no compound has more than 5 rows


def test_scaffolds_stay_together_and_acyclic_molecules_stand_alone():
    benzenes = ["c1ccccc1" + chain(n) for n in range(1, 5)]
    pyridines = ["c1ccncc1" + chain(n) for n in range(1, 5)]
    acyclic = [chain(n) for n in range(2, 10)]
    obs = one_cell_type(benzenes + pyridines + acyclic)
    for seed in range(5):
        folds = make_folds(obs, "scaffold", 4, seed)
        assert len(set(folds[:4])) == 1
        assert len(set(folds[4:8])) == 1
        assert folds[0] != folds[4]
        assert (np.bincount(folds, minlength=4) == 4).all()  # the chains fill up the rest


def test_murcko_scaffold_by_hand():
    assert murcko("Cc1ccccc1") == "c1ccccc1"
    assert murcko("CCO") == ""
    assert murcko("not a molecule") == ""


@pytest.mark.parametrize("n_folds", [2, 3, 4, 5])
def test_competition_shape(n_folds: int):
    obs = competition()
    folds = make_folds(obs, "competition", n_folds, 0)
    assert set(folds) - {NEVER} == set(range(n_folds))
    scarce = obs["cell_type"].isin(SCARCE).to_numpy()
    known = obs["sm_name"].isin([f"c{i}" for i in range(5)]).to_numpy()
    assert (folds[scarce] >= 0).all()
    assert (folds[~scarce & known] == NEVER).all()  # what a scarce type still knows always trains
    assert (folds[~scarce & ~known] >= 0).all()
    for fold in range(n_folds):
        held, train = obs[folds == fold], obs[folds != fold]
        assert set(held["sm_name"]) <= set(train["sm_name"])  # known, in other cells
        assert set(held["cell_type"]) <= set(train["cell_type"])


def test_competition_makes_a_cell_type_scarce_in_each_fold():
    obs = competition()
    folds = make_folds(obs, "competition", 3, 0)
    for fold in range(3):
        train = obs[folds != fold]
        counts = train[train["cell_type"].isin(ABUNDANT)]["cell_type"].value_counts()
        assert sorted(counts) == [5, 40, 40]


def test_competition_without_a_scarce_type_draws_what_stays_known():
    obs = table([(cell, f"c{i}", chain(i + 1)) for cell in ABUNDANT for i in range(40)])
    folds = make_folds(obs, "competition", 3, 0)
    assert (folds == NEVER).sum() == 3 * round(40 * 17 / 146)


def test_competition_never_holds_out_a_compound_measured_once():
    obs = pd.concat([competition(), table([("NK cells", "alone", "CCCCCl")])], ignore_index=True)
    assert make_folds(obs, "competition", 3, 0)[-1] == NEVER


def test_what_cannot_be_split_is_refused_in_one_sentence():
    obs = one_cell_type(["CCO", "CCN", "CCC"])
    with pytest.raises(ConfigError, match="only 'all'"):
        make_folds(obs, "competition", 3)
    with pytest.raises(ConfigError, match="4 folds need at least 4 compounds"):
        make_folds(obs, "leave-compound-out", 4)
    with pytest.raises(ConfigError, match="no validation scheme 'k-means'"):
        make_folds(obs, "k-means", 2)
