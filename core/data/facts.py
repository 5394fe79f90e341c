"""Published facts that the project carries in ``assets/``; sources in ``assets/SOURCES.md``."""

from __future__ import annotations

from functools import lru_cache

import pandas as pd

from core.errors import DataError
from core.settings import ASSETS


@lru_cache(maxsize=16)
def _read(name: str) -> pd.DataFrame:
    path = ASSETS / name
    if not path.is_file():
        raise DataError(f"The fact table {path} is missing; restore it from the repository.")
    return pd.read_csv(path)


def op2_compounds() -> pd.DataFrame:
    """The 146 compounds of the NeurIPS 2023 single-cell perturbation competition.

    Returns
    -------
    DataFrame
        One row a compound, in the order of the competition's table: ``sm_name``,
        ``sm_lincs_id``, ``SMILES``, ``control`` (bool; True for the two positive controls),
        ``moa`` (mechanisms separated by ``"; "``, NaN where none is recorded).
    """
    return _read("op2_compounds.csv.gz").copy()


def op2_mechanism_classes() -> pd.Series:
    """One broad mechanism class for each of the 146 compounds, indexed by ``sm_name``.

    A curation for the simulation, from each compound's well-known primary target, because
    ``moa`` is missing for half of them. ``"unknown"`` where no target is established.
    """
    table = _read("op2_mechanism_classes.csv")
    return table.set_index("sm_name")["mechanism_class"].copy()


def op2_pairs() -> pd.DataFrame:
    """The 869 (cell type, compound) pairs of the competition in its published order.

    Returns
    -------
    DataFrame
        ``split`` (``train`` 614, ``public_test`` 100, ``private_test`` 155), ``id`` (row of the
        published training table, or id of the test row, 0…254), ``cell_type``, ``sm_name``;
        first all training rows, then the test rows by id.
    """
    return _read("op2_pairs.csv.gz").copy()


def op2_genes() -> pd.Index:
    """The 18,211 gene symbols of the competition's table, in its column order."""
    return pd.Index(_read("op2_genes.csv.gz")["gene"], name="gene")


def landmark_genes() -> pd.DataFrame:
    """The 978 L1000 landmark genes: ``gene_symbol``, ``entrez_id``, ``gene_title``.

    Symbols are those of 2017 (Subramanian et al., Cell 2017); a few have been renamed since.
    """
    return _read("l1000_landmark_genes.csv.gz").copy()


def known_results() -> pd.DataFrame:
    """Published scores on the competition's data; smaller is better.

    Compare only within one ``benchmark``: they differ in rows, genes and clipping.

    Returns
    -------
    DataFrame
        ``benchmark`` (key: ``kaggle-private``, ``kaggle-public``, ``openproblems-v1.0.0``,
        ``leave-cell-type``, ``random-5-fold``, ``nk-leave-one-drug-out`` and the latter's
        ``-129``), ``label``, ``target`` (genes and clipping), ``n_rows`` (rows scored),
        ``method``, ``metric``, ``value``, ``kaggle_rank`` (NaN for baselines), ``note``,
        ``source``.
    """
    return _read("known_results_op2.csv").copy()
