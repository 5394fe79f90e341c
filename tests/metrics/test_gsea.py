from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from core.data.gene_sets import gene_sets_from_dict
from core.errors import DataError
from core.metrics.gsea import prerank

GENES = [f"G{i}" for i in range(200)]


def test_planted_sets_lead_from_both_ends() -> None:
    rng = np.random.default_rng(0)
    others = {f"random {i}": rng.choice(GENES[30:170], 20, replace=False) for i in range(8)}
    sets = gene_sets_from_dict({"high": GENES[:20], "low": GENES[-20:], **others}, name="toy")
    ranking = pd.Series(np.linspace(3, -3, 200), index=GENES)
    ranking.iloc[100] = np.nan
    table = prerank(ranking, sets, n_permutations=100).set_index("term")
    assert table.loc["high", "nes"] > 1.5 and table.loc["low", "nes"] < -1.5
    assert set(table.index[:2]) == {"high", "low"}
    assert table.loc["high", "size"] == 20
    assert set(table.loc["high", "leading"].split(";")) <= set(GENES[:20])
    again = prerank(ranking, sets, n_permutations=100).set_index("term")
    pd.testing.assert_frame_equal(table, again)


def test_faults_are_sentences() -> None:
    sets = gene_sets_from_dict({"t": GENES[:20]}, name="toy")
    with pytest.raises(DataError, match="Only 3 genes"):
        prerank(pd.Series([1.0, 2.0, 3.0, np.inf], index=list("ABCD")), sets)
    with pytest.raises(DataError, match="15 to 500"):
        prerank(pd.Series(np.arange(20.0), index=[f"X{i}" for i in range(20)]), sets)
