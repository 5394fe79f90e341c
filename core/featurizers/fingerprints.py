"""Count fingerprints of molecules, sparse and remembered by SMILES."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from rdkit.Chem import rdFingerprintGenerator

from core.featurizers.molecules import CACHE_SIZE, map_molecules, structure

#: Families of fingerprints by name; ``radius`` counts only for the two circular ones.
FAMILIES = ("morgan", "feature_morgan", "atom_pair", "torsion", "path")


@lru_cache(maxsize=64)
def generator(family: str, radius: int, length: int) -> Any:
    """RDKit's generator of one family of hashed count fingerprints."""
    if family == "morgan":
        return rdFingerprintGenerator.GetMorganGenerator(radius=radius, fpSize=length)
    if family == "feature_morgan":
        return rdFingerprintGenerator.GetMorganGenerator(
            radius=radius,
            fpSize=length,
            atomInvariantsGenerator=rdFingerprintGenerator.GetMorganFeatureAtomInvGen(),
        )
    if family == "atom_pair":
        return rdFingerprintGenerator.GetAtomPairGenerator(fpSize=length)
    if family == "torsion":
        return rdFingerprintGenerator.GetTopologicalTorsionGenerator(fpSize=length)
    if family == "path":
        return rdFingerprintGenerator.GetRDKitFPGenerator(fpSize=length, maxPath=5)
    raise ValueError(f"unknown fingerprint family '{family}'")


@lru_cache(maxsize=len(FAMILIES) * CACHE_SIZE)
def sparse_counts(
    smiles: str, family: str, radius: int, length: int
) -> tuple[np.ndarray, np.ndarray]:
    """Positions and counts of the set features of one molecule."""
    found = generator(family, radius, length).GetCountFingerprint(structure(smiles))
    elements = found.GetNonzeroElements()
    positions = np.fromiter(elements.keys(), dtype=np.int32, count=len(elements))
    counts = np.fromiter(elements.values(), dtype=np.float32, count=len(elements))
    return positions, counts


def fingerprints(
    obs: pd.DataFrame, *, family: str = "morgan", radius: int = 2, length: int = 2048
) -> np.ndarray:
    """Count fingerprints of the pairs' compounds.

    Parameters
    ----------
    obs
        Pairs with a column ``SMILES``.
    family
        One of :data:`FAMILIES`.
    radius
        Radius in bonds of the circular families (Rogers & Hahn 2010; 2 is ECFP4).
    length
        Number of hashed positions.

    Returns
    -------
    float32 ``(len(obs), length)``.
    """
    values, rows = map_molecules(obs, lambda smiles: sparse_counts(smiles, family, radius, length))
    dense = np.zeros((len(values), length), dtype=np.float32)
    for i, (positions, counts) in enumerate(values):
        dense[i, positions] = counts
    return dense[rows]
