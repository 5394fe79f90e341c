from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

DRUGS = {
    "aspirin": "CC(=O)Oc1ccccc1C(=O)O",
    "caffeine": "Cn1cnc2c1c(=O)n(C)c(=O)n2C",
    "paracetamol": "CC(=O)Nc1ccc(O)cc1",
    "salicylic acid": "O=C(O)c1ccccc1O",
    "ethanol": "CCO",
    "clotrimazole": "Clc1ccccc1C(c1ccccc1)(c1ccccc1)n1ccnc1",
}
CELLS = ("B cells", "NK cells", "T cells CD4+")


@pytest.fixture
def obs() -> pd.DataFrame:
    """Every drug in every cell type."""
    rows = [(cell, drug, smiles) for drug, smiles in DRUGS.items() for cell in CELLS]
    return pd.DataFrame(rows, columns=["cell_type", "sm_name", "SMILES"])


@pytest.fixture
def targets(obs: pd.DataFrame) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(len(obs), 40)).astype(np.float32)


@pytest.fixture
def new() -> pd.DataFrame:
    """A cell type and a compound that training never saw."""
    return pd.DataFrame(
        {
            "cell_type": ["NK cells", "Myeloid cells"],
            "sm_name": ["aspirin", "benzene"],
            "SMILES": [DRUGS["aspirin"], "c1ccccc1"],
        }
    )
