"""Compounds: latent factors tied to structure and mechanism, and how strongly they act."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from rdkit import Chem
from rdkit.Chem import rdFingerprintGenerator

from core.data.simulation.calibration import (
    CELL_TYPES,
    CONTROL_POTENCY,
    INTERACTION,
    LINEAGE_RESPONSE,
    MECHANISM_SHARE,
    MILD_SENSITIVITY,
    N_FACTORS,
    NK_RMS_LEVELS,
    NK_RMS_VALUES,
    POTENCY,
    STRENGTH_JITTER,
    STRUCTURE_SHARE,
    TOXIC_CALM,
    TOXIC_SENSITIVITY,
)


@dataclass(frozen=True)
class Drugs:
    """What the compounds do, before genes come in.

    Attributes
    ----------
    factors
        ``(n_cell_types, n_compounds, n_factors)``: direction of each pair's response.
    nk_rms
        ``(n_compounds,)``: root mean square that the compound's NK row shall have.
    toxic
        ``(n_compounds,)`` in [0, 1]: how much of the compound's response is plain toxicity.
    sensitivity
        ``(n_cell_types, n_compounds)``: strength of the response relative to NK cells.
    """

    factors: np.ndarray
    nk_rms: np.ndarray
    toxic: np.ndarray
    sensitivity: np.ndarray


def structure_factors(rng: np.random.Generator, smiles: pd.Series, n_factors: int) -> np.ndarray:
    """Random features ``(n, n_factors)`` whose covariance is the similarity of structures.

    Morgan counts (radius 2, 2,048 bins) on a log scale, centred, projected at random: the
    expected inner product of two rows is the cosine of their centred fingerprints.
    """
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=2048)
    counts = np.stack(
        [generator.GetCountFingerprintAsNumPy(Chem.MolFromSmiles(text)) for text in smiles]
    )
    features = np.log1p(counts.astype(float))
    features -= features.mean(axis=0)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    return features @ rng.standard_normal((features.shape[1], n_factors))


def simulate_drugs(
    rng: np.random.Generator, compounds: pd.DataFrame, mechanism: pd.Series
) -> Drugs:
    """Draw the compounds' factors and strengths.

    Parameters
    ----------
    rng
        Source of randomness.
    compounds
        ``sm_name``, ``SMILES`` and ``control``, one row a compound.
    mechanism
        Mechanism class, in the same order.
    """
    n, n_types = len(compounds), len(CELL_TYPES)
    # A compound without a known mechanism is a class of its own.
    label = np.where(mechanism == "unknown", compounds["sm_name"], mechanism)
    code, names = pd.factorize(label)

    structure = structure_factors(rng, compounds["SMILES"], N_FACTORS + 1)
    by_class = rng.standard_normal((len(names), N_FACTORS + 1))[code]
    own = rng.standard_normal((n, N_FACTORS + 1))
    latent = (
        np.sqrt(STRUCTURE_SHARE) * structure
        + np.sqrt(MECHANISM_SHARE) * by_class
        + np.sqrt(1 - STRUCTURE_SHARE - MECHANISM_SHARE) * own
    )

    potency = latent[:, -1] + np.array([POTENCY.get(name, 0.0) for name in label])
    potency += np.where(compounds["control"], CONTROL_POTENCY, 0.0)
    rank = potency.argsort().argsort() / (n - 1)
    nk_rms = np.exp(np.interp(rank, NK_RMS_LEVELS, np.log(NK_RMS_VALUES)))
    toxic = np.clip(np.log(nk_rms / 1.2) / np.log(6 / 1.2), 0, 1)

    calm = 1 - TOXIC_CALM * toxic
    interaction = (INTERACTION[:, None] * calm)[:, :, None]
    factors = np.sqrt(1 - interaction) * latent[:, :-1] + np.sqrt(
        interaction
    ) * rng.standard_normal((n_types, n, N_FACTORS))

    log_sensitivity = np.log(MILD_SENSITIVITY)[:, None] * (1 - toxic)
    log_sensitivity = log_sensitivity + np.log(TOXIC_SENSITIVITY)[:, None] * toxic
    log_sensitivity += STRENGTH_JITTER[:, None] * calm * rng.standard_normal((n_types, n))
    even = (1.0,) * n_types
    log_sensitivity += np.log([LINEAGE_RESPONSE.get(name, even) for name in label]).T
    return Drugs(factors, nk_rms, toxic, np.exp(log_sensitivity))
