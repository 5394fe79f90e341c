"""Rank-value encoding: by hand, against a direct implementation, and what users are told."""

from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from core.errors import DataError
from core.featurizers.rank_value import Vocabulary, encode

TABLE = pd.DataFrame(
    {
        "ensembl_id": ["<pad>", "<mask>", *(f"ENSG0000000000{i}" for i in range(1, 6))],
        "token": [0, 1, 2, 3, 4, 5, 6],
        "median_nonzero": [np.nan, np.nan, 1.0, 2.0, 4.0, 1.0, 5.0],
        "gene_name": [None, None, "AAA", "BBB", "CCC", "DDD", None],
    }
)


def cells(counts: object, genes: list[str], **layers: object) -> anndata.AnnData:
    matrix = sparse.csr_matrix(np.asarray(counts, dtype=np.float32))
    return anndata.AnnData(matrix, var=pd.DataFrame(index=genes))


@pytest.fixture
def vocabulary() -> Vocabulary:
    return Vocabulary.from_frame(TABLE, name="five genes")


def test_by_hand(vocabulary: Vocabulary) -> None:
    # total 10 with the unknown gene; AAA 2/1, BBB 4/2 (a tie: lower token first), CCC 1/4
    data = cells([[2, 4, 1, 0, 3]], ["AAA", "BBB", "CCC", "DDD", "unknown"])
    encoded = encode(data, vocabulary)
    assert encoded.cell(0).tolist() == [2, 3, 4]
    assert encoded.genes(0).tolist() == ["AAA", "BBB", "CCC"]
    np.testing.assert_allclose(encoded.values, [2000.0, 2000.0, 250.0])
    assert encoded.report.unknown == ("unknown",)
    assert encoded.report.n_matched == 4
    assert encoded.report.counts_unknown == pytest.approx(0.3)


def test_ensembl_versions_symbols_and_duplicates(vocabulary: Vocabulary) -> None:
    names = ["ENSG00000000001.12", "AAA", "ENSG00000000005", "ENSG00000009999"]
    encoded = encode(cells([[1, 2, 9, 8]], names), vocabulary)
    # AAA 1 + 2 = 3 of median 1; gene 5: 9 of median 5
    assert encoded.cell(0).tolist() == [2, 6]
    np.testing.assert_allclose(encoded.values, [3 / 20 * 1e4, 9 / 20 * 1e4 / 5])
    assert (encoded.report.n_summed, encoded.report.n_unknown) == (1, 1)
    assert encoded.genes(0)[1] == "ENSG00000000005"


def test_truncation_and_empty_cells(vocabulary: Vocabulary) -> None:
    data = cells([[5, 4, 3, 2], [0, 0, 0, 0], [0, 0, 0, 1]], ["AAA", "BBB", "CCC", "DDD"])
    encoded = encode(data, vocabulary, max_length=2)
    assert encoded.cell(0).tolist() == [2, 3] or encoded.cell(0).tolist() == [2, 5]
    assert encoded.lengths.tolist() == [2, 0, 1]
    assert encoded.n_vocabulary_genes.tolist() == [4, 0, 1]
    assert (encoded.report.n_empty, encoded.report.n_truncated) == (1, 1)
    with pytest.raises(DataError, match="expresses no gene of the vocabulary 'five genes'"):
        encoded.cell(1)


def test_rank_of_a_gene(vocabulary: Vocabulary) -> None:
    encoded = encode(cells([[0, 4, 1]], ["AAA", "BBB", "CCC"]), vocabulary)
    assert encoded.rank_of(0, "CCC") == 1
    assert encoded.rank_of("0", "ENSG00000000003.4") == 1
    with pytest.raises(DataError, match="'AAA' is not among the 2 ranked genes"):
        encoded.rank_of(0, "AAA")
    with pytest.raises(DataError, match="'ZZZ' is not in the vocabulary"):
        encoded.rank_of(0, "ZZZ")
    with pytest.raises(DataError, match="no cell 'nobody'"):
        encoded.cell("nobody")


def test_mouse_on_a_human_vocabulary(vocabulary: Vocabulary) -> None:
    with pytest.raises(DataError, match=r"named as in mouse .* is human"):
        encode(cells([[1, 2]], ["Ins1", "Gcg"]), vocabulary)
    with pytest.raises(DataError, match="named as in mouse"):
        encode(cells([[1, 2]], ["ENSMUSG00000000001", "ENSMUSG00000000002"]), vocabulary)


def test_no_gene_known_and_no_counts(vocabulary: Vocabulary) -> None:
    with pytest.raises(DataError, match="None of the 2 genes"):
        encode(cells([[1, 2]], ["XXX1", "YYY1"]), vocabulary)
    with pytest.raises(DataError, match="not raw counts"):
        encode(cells([[0.5, 2]], ["AAA", "BBB"]), vocabulary)
    with pytest.raises(DataError, match="not raw counts"):
        encode(cells([[-1, 2]], ["AAA", "BBB"]), vocabulary)


def test_counts_layer_and_given_totals(vocabulary: Vocabulary) -> None:
    data = cells([[1.5, 0.2]], ["AAA", "BBB"])
    data.layers["counts"] = sparse.csr_matrix(np.array([[1.0, 8.0]]))
    data.obs["n_counts"] = [100.0]
    encoded = encode(data, vocabulary, total_key="n_counts")
    assert encoded.cell(0).tolist() == [3, 2]
    np.testing.assert_allclose(encoded.values, [400.0, 100.0])
    with pytest.raises(DataError, match="no column 'depth'"):
        encode(data, vocabulary, total_key="depth")


def test_own_medians_are_of_the_cells_that_express() -> None:
    data = cells([[1, 1], [3, 1], [0, 4], [9, 1]], ["AAA", "BBB"])
    vocabulary = Vocabulary.from_counts(data)
    # AAA: 1/2, 3/4, 9/10 of the total; the third cell does not count
    np.testing.assert_allclose(vocabulary.medians, [7500.0, np.median([5000, 2500, 1e4, 1000])])
    assert vocabulary.tokens.tolist() == [2, 3]
    assert Vocabulary.from_counts(data, min_cells=4).names.tolist() == ["BBB"]


def test_two_sets_share_genes_by_symbol() -> None:
    first = cells([[1, 1]], ["ENSG00000000001", "ENSG00000000002"])
    first.var["symbol"] = ["AAA", "BBB"]
    second = cells([[2, 2]], ["BBB", "NEW"])
    vocabulary = Vocabulary.from_counts([second, first])
    assert dict(zip(vocabulary.names, vocabulary.ids, strict=True)) == {
        "BBB": "ENSG00000000002",
        "NEW": "NEW",
        "AAA": "ENSG00000000001",
    }
    assert encode(second, vocabulary).report.n_matched == 2
    assert encode(first, vocabulary).report.n_matched == 2


def test_table_round_trip(tmp_path: Path, vocabulary: Vocabulary) -> None:
    vocabulary.write(tmp_path / "v.parquet")
    again = Vocabulary.read(tmp_path / "v.parquet")
    assert again.content_hash == vocabulary.content_hash
    assert again.names.tolist() == vocabulary.names.tolist()
    vocabulary.to_frame().to_csv(tmp_path / "v.csv", index=False)
    assert Vocabulary.read(tmp_path / "v.csv").content_hash == vocabulary.content_hash


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: t.drop(columns="token"), "no column 'token'"),
        (lambda t: t.assign(token=[0, 1, 2, 3, 4, 5, 5]), "token '5' stands twice"),
        (lambda t: t.assign(median_nonzero=0.0), "median of 'ENSG00000000001' is not"),
        (lambda t: t.assign(ensembl_id=[*t.ensembl_id[:6], "ENSG00000000004.3"]), "stands twice"),
        (lambda t: t.head(2), "has no genes"),
        (lambda t: t.assign(token=["a", 1, 2, 3, 4, 5, 6]), "not a whole number"),
    ],
)
def test_bad_tables_are_explained(change: object, says: str) -> None:
    with pytest.raises(DataError, match=says):
        Vocabulary.from_frame(change(TABLE))  # type: ignore[operator]


def test_missing_file_is_explained(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        Vocabulary.read(tmp_path / "none.parquet")
    (tmp_path / "bad.parquet").write_bytes(b"PAR0 not one")
    with pytest.raises(DataError, match="vocabulary"):
        Vocabulary.read(tmp_path / "bad.parquet")


@given(
    st.lists(st.lists(st.integers(0, 6), min_size=5, max_size=5), min_size=1, max_size=6),
    st.integers(1, 6),
)
def test_as_a_direct_implementation(counts: list[list[int]], length: int) -> None:
    vocabulary = Vocabulary.from_frame(TABLE)
    encoded = encode(cells(counts, list(vocabulary.ids)), vocabulary, max_length=length)
    for i, row in enumerate(counts):
        total = max(sum(row), 1)
        scored = [
            (-(c / total * 1e4 / m), t)
            for c, m, t in zip(row, vocabulary.medians, vocabulary.tokens, strict=True)
            if c
        ]
        expected = [int(token) for _, token in sorted(scored)][:length]
        assert encoded.tokens[encoded.indptr[i] : encoded.indptr[i + 1]].tolist() == expected


def test_geneformer_table_on_real_cells(shared_data: Path) -> None:
    vocabulary = Vocabulary.read(shared_data / "geneformer_gc30m_tokens.parquet")
    assert (len(vocabulary), vocabulary.size, vocabulary.organism) == (25_424, 25_426, "human")
    data = anndata.read_h5ad(shared_data / "pbmc_3chemistries.h5ad")[:200].copy()
    encoded = encode(data, vocabulary)
    assert encoded.report.n_matched > 0.8 * encoded.report.n_genes
    assert encoded.lengths.max() <= 2048
    for i in range(len(encoded)):
        piece = encoded.values[encoded.indptr[i] : encoded.indptr[i + 1]]
        assert (np.diff(piece) <= 0).all()
