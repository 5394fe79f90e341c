from __future__ import annotations

import numpy as np

from core.featurizers.base import FEATURIZERS


def test_onehot_by_hand(obs, targets, new) -> None:
    featurizer = FEATURIZERS.get("onehot").value().fit(obs, targets)
    table = featurizer.transform(new)
    columns = featurizer.names
    assert table[0, columns.index("cell_type=NK cells")] == 1
    assert table[0, columns.index("sm_name=aspirin")] == 1
    assert table[0].sum() == 2
    assert table[1].sum() == 0  # neither cell type nor compound was ever seen


def test_onehot_of_cell_types_alone(obs, targets) -> None:
    kind = FEATURIZERS.get("onehot").value
    table = kind(kind.Params(compounds=False)).fit_transform(obs, targets)
    assert table.shape[1] == 3
    assert np.array_equal(table.sum(axis=1), np.ones(len(obs)))


def test_labels_by_hand(obs, targets, new) -> None:
    table = FEATURIZERS.get("label").value().fit(obs, targets).transform(new)
    assert table.tolist() == [[1, 0], [-1, -1]]
