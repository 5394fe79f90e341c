from __future__ import annotations

import pandas as pd
import pytest

from core.data.comparisons import (
    delete_comparison,
    list_comparisons,
    load_comparison,
    save_comparison,
)
from core.errors import DataError
from core.settings import Settings

HASH = "0123456789abcdef"
TABLE = pd.DataFrame({"names": ["A", "B"], "scores": [2.0, -1.5]})


def test_round_trip_list_and_delete(settings: Settings) -> None:
    words = {"group": "stim", "reference": "../ctrl", "how": "wilcoxon", "settings": settings}
    assert list_comparisons(HASH, settings) == []
    save_comparison(HASH, "one", TABLE, **words)  # type: ignore[arg-type]
    save_comparison(HASH, "../../two", TABLE.head(1), **words)  # type: ignore[arg-type]
    assert [c.name for c in list_comparisons(HASH, settings)] == ["../../two", "one"]
    comparison, table = load_comparison(HASH, "one", settings)
    assert (comparison.group, comparison.reference) == ("stim", "../ctrl")
    pd.testing.assert_frame_equal(table, TABLE)
    save_comparison(HASH, "one", TABLE.tail(1), **words)  # type: ignore[arg-type]
    assert len(load_comparison(HASH, "one", settings)[1]) == 1
    files = [p for p in settings.workspace.rglob("*") if p.is_file()]
    assert len(files) == 4
    assert all(p.parent == settings.workspace / "comparisons" / HASH for p in files)
    delete_comparison(HASH, "one", settings)
    delete_comparison(HASH, "one", settings)
    assert [c.name for c in list_comparisons(HASH, settings)] == ["../../two"]


def test_faults_are_one_sentence(settings: Settings) -> None:
    with pytest.raises(DataError, match="no saved comparison called 'x'"):
        load_comparison(HASH, "x", settings)
    with pytest.raises(DataError, match="needs a name"):
        save_comparison(HASH, " ", TABLE, group="a", reference="b", how="", settings=settings)
    with pytest.raises(DataError, match="no content hash"):
        list_comparisons("../..", settings)
    save_comparison(HASH, "x", TABLE, group="a", reference="b", how="", settings=settings)
    (file,) = settings.workspace.rglob("*.parquet")
    file.write_bytes(b"no parquet")
    with pytest.raises(DataError, match="'x' is damaged"):
        load_comparison(HASH, "x", settings)
