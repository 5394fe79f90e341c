"""What every registered featurizer keeps."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from core.featurizers.base import FEATURIZERS

NAMES = ("descriptors", "fragments", "label", "morgan", "onehot", "target_statistics")


def make(name: str, seed: int = 0):
    return FEATURIZERS.get(name).value(seed=seed)


def test_the_promised_featurizers_are_registered() -> None:
    assert set(NAMES) <= set(FEATURIZERS.names())


@pytest.mark.parametrize("name", NAMES)
def test_shape_names_and_dtype(name, obs, targets, new) -> None:
    featurizer = make(name)
    train = featurizer.fit_transform(obs, targets)
    test = featurizer.transform(new)
    assert train.shape == (len(obs), len(featurizer.names))
    assert test.shape == (len(new), len(featurizer.names))
    assert train.dtype == test.dtype == np.float32
    assert np.isfinite(train).all() and np.isfinite(test).all()
    assert len(set(featurizer.names)) == len(featurizer.names)
    assert featurizer.transform(new.iloc[:0]).shape == (0, len(featurizer.names))


@pytest.mark.parametrize("name", NAMES)
def test_state_restores_the_same_features(name, obs, targets, new) -> None:
    featurizer = make(name).fit(obs, targets)
    state = featurizer.state()
    json.dumps({k: v for k, v in state.items() if not isinstance(v, np.ndarray)})
    again = make(name).restore(state)
    assert np.array_equal(again.transform(new), featurizer.transform(new))
    assert again.names == featurizer.names


@pytest.mark.parametrize("name", NAMES)
def test_same_seed_same_features(name, obs, targets) -> None:
    first, second = (make(name, seed=3).fit_transform(obs, targets) for _ in range(2))
    assert np.array_equal(first, second)


@pytest.mark.parametrize("name", NAMES)
def test_rows_do_not_depend_on_their_company(name, obs, targets, new) -> None:
    featurizer = make(name).fit(obs, targets)
    both = featurizer.transform(pd.concat([new, new.iloc[::-1]]))
    assert np.array_equal(both[:2], both[:1:-1])


@pytest.mark.parametrize("name", NAMES)
def test_unknown_parameters_are_refused(name) -> None:
    with pytest.raises(ValidationError):
        FEATURIZERS.get(name).value.Params(no_such_parameter=1)
