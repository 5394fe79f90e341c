"""Fingerprints that kernel and neighbour models compare molecules by."""

from __future__ import annotations

import numpy as np
import pandas as pd

from core.featurizers.fingerprints import fingerprints

#: Branch of these views: neither of the networks' two.
KERNEL = "kernel"
#: View → family, radius and length of its count fingerprint. Several families see different
#: things in a molecule; the mean of their Tanimoto kernels predicts better than any of them.
VIEWS = {
    "_tanimoto": ("morgan", 2, 2048),
    "_tanimoto_features": ("feature_morgan", 2, 1024),
    "_tanimoto_pairs": ("atom_pair", 2, 2048),
    "_tanimoto_torsions": ("torsion", 2, 1024),
}


def kernel_views(obs: pd.DataFrame) -> dict[str, np.ndarray]:
    """Count fingerprints of the pairs' compounds by view, float32 ``(len(obs), length)``."""
    return {
        name: fingerprints(obs, family=family, radius=radius, length=length)
        for name, (family, radius, length) in VIEWS.items()
    }
