from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st
from hypothesis.extra.pandas import column, data_frames

from core.data.faults import InvalidTableError, count, listing
from core.data.registry import RawArrays, RawTable
from core.data.validation import Validated, validate
from core.errors import DataError
from tests.data.tables import GENES, frame


def check(table: pd.DataFrame, **options: str) -> Validated:
    return validate(RawTable(table), **options)


def fault_of(table: pd.DataFrame) -> InvalidTableError:
    with pytest.raises(InvalidTableError) as caught:
        check(table)
    return caught.value


def test_a_valid_table_is_kept_as_it_is() -> None:
    table = frame()
    found = check(table)
    assert list(found.obs.columns) == [
        *("cell_type", "sm_name", "sm_lincs_id", "SMILES", "control", "split")
    ]
    pd.testing.assert_frame_equal(
        found.obs[list(table.columns[:5])], table.iloc[:, :5], check_dtype=False
    )
    assert (found.obs["split"] == "train").all()
    assert list(found.genes) == list(GENES)
    assert found.values.dtype == np.float32
    np.testing.assert_allclose(found.values, table[list(GENES)], rtol=1e-6)
    assert found.target == "signed −log10 p"
    assert found.warnings == [] and found.dropped == []
    assert found.understood == [
        "Read as they are named: 'cell_type', 'sm_name', 'sm_lincs_id', 'SMILES' and 'control'.",
        "Read as genes: 4 numeric columns, 'A1BG' to 'TP53'.",
        "There is no column 'split': every pair is a training pair.",
        "Values were taken as signed −log10 p, because the pairs carry LINCS ids as the OP2 "
        "competition's table does.",
        "The table has 6 pairs of 3 compounds and 2 cell types.",
    ]


def set_cell(row: int, name: str, value: object) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def change(table: pd.DataFrame) -> pd.DataFrame:
        table = table.astype({name: object})
        table.loc[row, name] = value
        return table

    return change


def rename(**names: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    return lambda table: table.rename(columns=names)


FAULTS: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], str]] = {
    "misspelt SMILES": (
        rename(SMILES="SMILSE"),
        "There is no column 'SMILES'; is 'SMILSE' meant? Rename it if so.",
    ),
    "misspelt cell type": (
        rename(cell_type="cel_typ"),
        "There is no column 'cell_type'; is 'cel_typ' meant? Rename it if so.",
    ),
    "no compound": (
        lambda table: table.drop(columns="sm_name"),
        "There is no column 'sm_name'; it is needed in every table.",
    ),
    "missing value": (
        set_cell(2, "CD69", np.nan),
        "The gene 'CD69' has no value in row 3 (NK cells, ethanol); 1 such value in all.",
    ),
    "infinite value": (
        set_cell(5, "TP53", np.inf),
        "The gene 'TP53' is inf, which is not a finite float32 number in row 6 "
        "(B cells, benzene); 1 such value in all.",
    ),
    "value beyond float32": (
        set_cell(0, "TP53", 1e39),
        "The gene 'TP53' is 1e+39, which is not a finite float32 number in row 1 "
        "(NK cells, aspirin); 1 such value in all.",
    ),
    "text for a number": (
        set_cell(4, "A1BG", "high"),
        "The gene 'A1BG' is 'high', which is not a number in row 5 (NK cells, benzene); "
        "1 such value in all.",
    ),
    "unparsable SMILES": (
        set_cell(3, "SMILES", "C1CC"),
        "RDKit cannot parse the SMILES 'C1CC' in row 4 (B cells, ethanol).",
    ),
    "two structures": (
        set_cell(3, "SMILES", "CCCO"),
        "The compound 'ethanol' has two structures: 'CCO' in row 3 (NK cells, ethanol) and 'CCCO' "
        "in row 4 (B cells, ethanol).",
    ),
    "duplicated pair": (
        set_cell(1, "cell_type", "NK cells"),
        "The pair (NK cells, aspirin) stands more than once, in rows 1 and 2.",
    ),
    "duplicated gene": (
        rename(ZZEF1="CD69"),
        "The gene column 'CD69' stands 2 times in the table (columns 7 and 8); each gene may stand "
        "once.",
    ),
    "no genes": (
        lambda table: table.drop(columns=list(GENES)),
        "The table has no gene columns: after the descriptions of the pairs it needs one numeric "
        "column for each gene.",
    ),
    "no rows": (lambda table: table.iloc[:0], "The table has a header but no rows."),
    "no structures at all": (
        lambda table: table.assign(SMILES=None),
        "No row has a SMILES, and rows without one cannot be used.",
    ),
    "no variance": (
        lambda table: table.assign(**dict.fromkeys(GENES, 1.5)),
        "No gene differs between any two pairs: the table has no variance at all.",
    ),
    "unknown split": (
        lambda table: table.assign(split=["train"] * 5 + ["tset"]),
        "The column 'split' is 'tset' in row 6, which is none of train, public_test, "
        "private_test and control; 1 such row in all.",
    ),
    "unclear control": (
        set_cell(1, "control", "perhaps"),
        "The column 'control' is 'perhaps' in row 2, where True or False is needed; 1 such row in "
        "all.",
    ),
    "no cell type in a row": (
        set_cell(4, "cell_type", None),
        "The column 'cell_type' is empty in row 5; 1 such row in all.",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_has_its_own_sentence(name: str) -> None:
    change, sentence = FAULTS[name]
    error = fault_of(change(frame()))
    assert error.faults == (sentence,)
    assert str(error) == sentence


def test_sentences_differ_from_fault_to_fault() -> None:
    assert len({sentence for _, sentence in FAULTS.values()}) == len(FAULTS)


def test_several_faults_are_all_told() -> None:
    table = set_cell(0, "A1BG", np.nan)(set_cell(2, "SMILES", "(((")(frame()))
    table = set_cell(3, "TP53", "x")(set_cell(1, "A1BG", np.nan)(table))
    error = fault_of(table)
    assert len(error.faults) == 3
    assert any("row 1 (NK cells, aspirin); 2 such values in all." in f for f in error.faults)
    assert str(error).endswith("(2 more faults found.)")


def test_columns_may_have_other_names() -> None:
    table = frame().rename(
        columns={"sm_name": "Compound", "SMILES": "canonical SMILES", "cell_type": "Cell Type"}
    )
    found = check(table)
    assert found.obs["sm_name"].tolist() == frame()["sm_name"].tolist()
    assert "The column 'Compound' was read as 'sm_name'." in found.understood
    assert "The column 'canonical SMILES' was read as 'SMILES'." in found.understood


def test_an_exact_name_goes_before_an_alias() -> None:
    found = check(frame().assign(name=[f"alias {i}" for i in range(6)]))
    assert found.obs["sm_name"].tolist() == frame()["sm_name"].tolist()
    assert found.obs["name"].tolist()[0] == "alias 0"


def test_without_cell_types_there_is_one_pseudo_type() -> None:
    found = check(frame().iloc[::2].drop(columns="cell_type"))
    assert set(found.obs["cell_type"]) == {"all cells"}
    assert any("pseudo cell type, 'all cells'" in sentence for sentence in found.understood)


def test_rows_without_smiles_are_listed_and_keep_their_numbers() -> None:
    table = frame()
    table.loc[[0, 1], "SMILES"] = None
    table.loc[0, "CD69"] = np.nan  # in a row that is left out: no fault
    found = check(table)
    assert found.dropped == [
        "Row 1 (aspirin) has no SMILES.",
        "Row 2 (aspirin) has no SMILES.",
    ]
    assert "2 rows without SMILES were left out; 4 remain." in found.warnings
    assert len(found.values) == len(found.obs) == 4
    assert found.obs.index.tolist() == [0, 1, 2, 3]
    table.loc[3, "CD69"] = np.nan
    assert "in row 4 (B cells, ethanol)" in str(fault_of(table))


def test_nameless_compounds_take_another_identifier() -> None:
    table = frame().assign(drugbank_id=[f"DB{i}" for i in range(6)])
    table.loc[[0, 4, 5], "sm_name"] = None
    table.loc[0, "SMILES"] = None
    table["sm_lincs_id"] = ""
    found = check(table)
    assert found.dropped == ["Row 1 (DB0) has no SMILES."]
    assert found.obs["sm_name"].tolist()[3:] == ["DB4", "DB5"]
    assert "2 compounds without 'sm_name' took the name from 'drugbank_id'." in found.understood


def test_splits_and_controls_are_read() -> None:
    splits = ["train", "control", "public_test", "private_test", "train", "train"]
    found = check(frame().drop(columns="control").assign(split=splits))
    assert found.obs["split"].tolist() == [
        *("train", "train", "public_test", "private_test", "train", "train")
    ]
    assert found.obs["control"].tolist() == [False, True, False, False, False, False]


@pytest.mark.parametrize("words", [("True", "False"), ("1", "0"), (1, 0), ("yes", "no")])
def test_controls_may_be_written_as_words_or_numbers(words: tuple[object, object]) -> None:
    yes, no = words
    found = check(frame().assign(control=[yes, no, no, no, no, yes]))
    assert found.obs["control"].tolist() == [True, False, False, False, False, True]


def test_numbers_that_describe_a_pair_are_no_genes() -> None:
    found = check(frame().assign(dose_uM=1.0, id=range(6), **{"Unnamed: 0": range(6)}))
    assert list(found.genes) == list(GENES)
    assert {"dose_uM", "id"} <= set(found.obs.columns)
    assert "Unnamed: 0" not in found.obs


def test_one_structure_written_twice_is_a_warning() -> None:
    table = set_cell(3, "SMILES", "OCC")(frame())
    assert any(
        "differing SMILES of the same structure: ethanol" in w for w in check(table).warnings
    )


def test_one_structure_with_two_names_is_a_warning() -> None:
    table = frame()
    table.loc[table["sm_name"] == "benzene", "SMILES"] = "OCC"
    assert any("more than one compound name" in warning for warning in check(table).warnings)


def test_gene_names_that_a_spreadsheet_spoiled_are_pointed_out() -> None:
    warnings = check(frame().rename(columns={"A1BG": "1-Mar"})).warnings
    assert any("look like dates" in warning and "1-Mar" in warning for warning in warnings)


def test_constant_genes_are_counted() -> None:
    assert "1 gene is constant." in check(frame().assign(CD69=0.0)).warnings


def test_the_target_is_given_or_guessed() -> None:
    assert check(frame(), target="log2 fold change").target == "log2 fold change"
    plain = check(frame().drop(columns="sm_lincs_id"))
    assert plain.target == "effect (unit not given)"
    assert any("unit" in sentence for sentence in plain.understood)


def test_arrays_are_held_to_the_same_rules() -> None:
    table = frame()
    obs, values = table.iloc[:, :5], table[list(GENES)].to_numpy()

    def arrays(values: np.ndarray = values, genes: tuple[str, ...] = GENES) -> RawArrays:
        return RawArrays(obs, list(genes), values)

    found = validate(arrays())
    expected = check(table)
    assert found.table("x", meta={}).content_hash == expected.table("y", meta={}).content_hash
    broken = values.copy()
    broken[1, 3] = np.nan
    with pytest.raises(DataError, match=r"'TP53' has no value in row 2 \(B cells, aspirin\)"):
        validate(arrays(broken))
    with pytest.raises(DataError, match="'CD69' stands 2 times"):
        validate(arrays(genes=("A1BG", "CD69", "CD69", "TP53")))
    with pytest.raises(DataError, match="no gene columns"):
        validate(RawArrays(obs, [], np.empty((6, 0))))
    with pytest.raises(DataError, match="no rows"):
        validate(RawArrays(obs.iloc[:0], list(GENES), values[:0]))


def test_the_content_hash_follows_the_content() -> None:
    first = check(frame()).table("a", meta={})
    same = check(frame()).table("b", meta={"label": "other"})
    other = check(frame(seed=1)).table("a", meta={})
    assert first.content_hash == same.content_hash != other.content_hash


@settings_of_hypothesis(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    data_frames(
        [
            column("SMILES", elements=st.sampled_from(["CCO", "C", "", "C1CC", "x"])),
            column("sm_name", elements=st.text(max_size=5)),
            column("cell_type", elements=st.sampled_from(["T", "B", ""])),
            column("G1", elements=st.floats(width=32)),
            column("G2", elements=st.one_of(st.floats(), st.text(max_size=3), st.none())),
        ]
    )
)
def test_any_table_is_either_clean_or_refused_in_sentences(table: pd.DataFrame) -> None:
    try:
        found = check(table)
    except InvalidTableError as error:
        assert error.faults and all(fault.endswith(".") for fault in error.faults)
        return
    assert np.isfinite(found.values).all()
    assert found.values.shape == (len(found.obs), len(found.genes))
    assert len(found.obs) + len(found.dropped) == len(table)
    assert not found.obs.duplicated(["cell_type", "sm_name"]).any()


def test_listings_read_as_english() -> None:
    assert listing([]) == ""
    assert listing(["a"]) == "a"
    assert listing(["a", "b"]) == "a and b"
    assert listing(list("abcdefg")) == "a, b, c, d, e and 2 more"
    assert (count(1, "row"), count(1170, "row")) == ("1 row", "1,170 rows")
