"""Signatures: lists, tables, groups of cells, and how genes are found in a model."""

from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from core.data.facts import landmark_genes, op2_genes
from core.data.gene_renames import later, renames
from core.data.signatures import (
    Signature,
    bone_marrow_example,
    match_genes,
    match_signature,
    parse_gene_list,
    read_de_table,
    signature_from_cells,
)
from core.errors import DataError


def test_lists_of_any_separator() -> None:
    assert parse_gene_list(" CD69, IL2\nHLA-A;CD69\t") == ("CD69", "IL2", "HLA-A")
    assert parse_gene_list("") == ()
    with pytest.raises(DataError, match="'<b>' is not a gene symbol"):
        parse_gene_list("CD69 <b>")


def test_weights_of_lists() -> None:
    made = Signature(("A", "B"), ("C",))
    assert made.weights == {"A": 1.0, "B": 1.0, "C": -1.0}
    assert made.table()["direction"].tolist() == ["up", "up", "down"]
    with pytest.raises(DataError, match="'A' is in both"):
        Signature(("A",), ("A",))
    with pytest.raises(DataError, match="no gene"):
        Signature((), ())


@pytest.mark.parametrize("separator", [",", "\t", ";"])
def test_a_table_of_differential_expression(tmp_path: Path, separator: str) -> None:
    frame = pd.DataFrame(
        {
            "gene": ["A", "B", "C", "D", "E", "A"],
            "log2FoldChange": [2.0, -3.0, 1.0, 5.0, np.nan, 1.5],
            "padj": [0.01, 0.001, 0.04, 0.2, 0.01, 0.02],
        }
    )
    path = tmp_path / "de.csv"
    frame.to_csv(path, sep=separator, index=False)
    made = read_de_table(path)
    assert (made.up, made.down) == (("A", "C"), ("B",))  # D is not significant, E has no value
    assert made.weights == {"A": 2.0, "C": 1.0, "B": -3.0}
    assert read_de_table(path, n_top=1).up == ("A",)


def test_tables_that_are_no_signature(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("gene,length\nA,10\n")
    with pytest.raises(DataError, match="no column of a statistic"):
        read_de_table(path)
    path.write_text("gene,logFC,padj\nA,2,0.9\n")
    with pytest.raises(DataError, match="false-discovery rate below"):
        read_de_table(path)


def cells(n_genes: int = 40) -> anndata.AnnData:
    """Gene 0 is up and gene 1 down in the case by three standard deviations."""
    rng = np.random.default_rng(0)
    values = rng.normal(5, 1, size=(120, n_genes)).astype(np.float32)
    group = np.array(["case", "control", "other"])[np.arange(120) % 3]
    values[group == "case", 0] += 3
    values[group == "case", 1] -= 3
    values[group == "other", 2] += 10
    made = anndata.AnnData(values, obs=pd.DataFrame({"type": group}, index=map(str, range(120))))
    made.var_names = [f"G{i}" for i in range(n_genes)]
    return made


@pytest.mark.parametrize("method", ["wilcoxon", "t-test"])
def test_two_groups_of_cells(method: str) -> None:
    made = signature_from_cells(cells(), "type", "case", "control", 5, method)  # type: ignore[arg-type]
    assert made.up[0] == "G0"
    assert made.down[0] == "G1"
    assert "G2" not in made.weights
    turned = signature_from_cells(cells(), "type", "control", "case", 5, method)  # type: ignore[arg-type]
    assert turned.up[0] == "G1"


def test_groups_that_are_not_there() -> None:
    with pytest.raises(DataError, match="no column 'kind'"):
        signature_from_cells(cells(), "kind", "case", "control")
    with pytest.raises(DataError, match="'nobody' of 'type' has 0 cells"):
        signature_from_cells(cells(), "type", "nobody", "control")


def test_the_example_ships_with_the_app() -> None:
    example = bone_marrow_example()
    assert example.shape == (1000, 1000)
    assert example.obs["Type"].value_counts().to_dict() == {"healthy": 527, "AML": 473}
    assert "CD69" in example.var_names


def test_genes_are_matched_renamed_unknown_or_absent() -> None:
    match = match_genes(["CD69", "cd3e", "IL8", "TERT", "FOO1"], op2_genes())
    assert match.matched == {"CD69": "CD69", "cd3e": "CD3E", "IL8": "CXCL8"}
    assert match.renamed == {"cd3e": "CD3E", "IL8": "CXCL8"}
    assert (match.absent, match.unknown) == (("TERT",), ("FOO1",))
    assert len(match.table()) == 5
    # a model with old symbols, a user with new ones
    assert match_genes(["CEMIP2"], ["TMEM2"]).renamed == {"CEMIP2": "TMEM2"}


def test_signatures_in_a_models_symbols() -> None:
    made = Signature(("IL8", "FOO1"), ("CD69",), {"IL8": 2.5})
    found, match = match_signature(made, op2_genes())
    assert (found.up, found.down) == (("CXCL8",), ("CD69",))
    assert found.weights == {"CXCL8": 2.5, "CD69": -1.0}
    assert match.unknown == ("FOO1",)
    with pytest.raises(DataError, match="None of the signature's genes"):
        match_signature(Signature(("FOO1",)), op2_genes())


def test_renames_lead_somewhere() -> None:
    """No old symbol is still in the competition's table; no landmark's rename leads out of it."""
    present, old = set(op2_genes()), set(landmark_genes()["gene_symbol"])
    assert present & set(renames()) == set(later())
    missing = {new for before, new in renames().items() if before in old and new not in present}
    assert missing <= {"KIFBP", *later().values()}
    assert len(set(renames().values())) == len(renames())
