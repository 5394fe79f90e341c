"""Small tables that tests of the data room build on."""

from __future__ import annotations

import numpy as np
import pandas as pd

SMILES = {"aspirin": "CC(=O)Oc1ccccc1C(=O)O", "ethanol": "CCO", "benzene": "c1ccccc1"}
CELL_TYPES = ("NK cells", "B cells")
GENES = ("A1BG", "CD69", "ZZEF1", "TP53")


def frame(seed: int = 0) -> pd.DataFrame:
    """Six valid pairs (three compounds × two cell types) × four genes, competition layout."""
    rng = np.random.default_rng(seed)
    rows = [
        {
            "cell_type": cell_type,
            "sm_name": name,
            "sm_lincs_id": f"LSM-{len(name)}",
            "SMILES": smiles,
            "control": name == "ethanol",
        }
        for name, smiles in SMILES.items()
        for cell_type in CELL_TYPES
    ]
    values = pd.DataFrame(rng.normal(size=(len(rows), len(GENES))), columns=list(GENES))
    return pd.concat([pd.DataFrame(rows), values], axis=1)
