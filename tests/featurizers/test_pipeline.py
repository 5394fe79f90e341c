from __future__ import annotations

import json

import numpy as np
import pytest

from core.errors import ConfigError, DataError
from core.featurizers.kernel_views import KERNEL, VIEWS
from core.featurizers.pipeline import FeaturePipeline

SPECS = [
    ("onehot", {"compounds": False}),
    ("target_statistics", {"n_components": 3}),
    ("fragments", {}),
    ("morgan", {"length": 64}),
    ("descriptors", {}),
]


def test_inputs_hold_codes_views_and_branches(obs, targets, new) -> None:
    pipeline = FeaturePipeline(SPECS)
    train, test = pipeline.fit_transform(obs, targets), pipeline.transform(new)
    assert (train.n_cell_types, train.n_compounds) == (3, 6)
    assert train.cell_type.min() == 0 and train.compound.max() == 5
    assert test.cell_type.tolist() == [1, -1] and test.compound.tolist() == [0, -1]
    assert train.cell_type.dtype == np.int64
    names = pipeline.names()
    assert train.cell.shape[1] == len(names["onehot"]) + len(names["target_statistics"])
    assert train.molecule.shape[1] == sum(
        len(names[name]) for name in ("fragments", "morgan", "descriptors")
    )


def test_kernel_views_are_always_there_and_in_neither_branch(obs, targets) -> None:
    inputs = FeaturePipeline([("label", {})]).fit_transform(obs, targets)
    assert set(VIEWS) <= set(inputs.views)
    assert {inputs.branches[name] for name in VIEWS} == {KERNEL}
    assert inputs.molecule.shape == (len(obs), 0)
    assert inputs.cell.shape == (len(obs), 2)


def test_saved_and_loaded_it_gives_the_same_inputs(obs, targets, new, tmp_path) -> None:
    pipeline = FeaturePipeline(SPECS, seed=5)
    pipeline.fit_transform(obs, targets)
    pipeline.save(tmp_path / "features")
    again = FeaturePipeline.load(tmp_path / "features")
    left, right = pipeline.transform(new), again.transform(new)
    assert list(left.views) == list(right.views) and left.branches == right.branches
    assert all(np.array_equal(left.views[name], right.views[name]) for name in left.views)
    assert np.array_equal(left.cell_type, right.cell_type)
    assert again.specs == pipeline.specs and again.seed == 5
    assert not list((tmp_path / "features").glob("*.pkl"))


def test_a_training_row_is_cross_fitted_but_a_new_row_is_not(obs, targets) -> None:
    pipeline = FeaturePipeline([("target_statistics", {"n_components": 2})])
    own = pipeline.fit_transform(obs, targets)
    assert not np.array_equal(own.cell, pipeline.transform(obs).cell)


def test_faults_are_named(obs, targets, tmp_path) -> None:
    with pytest.raises(ConfigError, match="no featurizer called 'nope'"):
        FeaturePipeline([("nope", {})])
    with pytest.raises(DataError, match="No fitted features"):
        FeaturePipeline.load(tmp_path)
    pipeline = FeaturePipeline(SPECS)
    pipeline.fit_transform(obs, targets)
    pipeline.save(tmp_path)
    plain = json.loads((tmp_path / "features.json").read_text())
    del plain["featurizers"]["fragments"]
    (tmp_path / "features.json").write_text(json.dumps(plain))
    with pytest.raises(DataError, match="damaged"):
        FeaturePipeline.load(tmp_path)
