"""Substructure counts: BRICS fragments, functional groups and rings."""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from typing import Any, Self

import numpy as np
import pandas as pd
from pydantic import Field
from rdkit import Chem
from rdkit.Chem import BRICS, Fragments, rdMolDescriptors

from core.featurizers.base import FEATURIZERS, Featurizer, FeaturizerParams
from core.featurizers.molecules import CACHE_SIZE, map_molecules, stack, structure

#: RDKit's functional groups, ``fr_*``.
GROUPS = tuple(sorted(name for name in vars(Fragments) if name.startswith("fr_")))
RINGS = (
    "rings",
    "aromatic_rings",
    "aliphatic_rings",
    "saturated_rings",
    "aromatic_heterocycles",
    "aliphatic_heterocycles",
    "spiro_atoms",
    "bridgehead_atoms",
    *(f"rings_of_{size}" for size in range(3, 8)),
    "rings_of_8_or_more",
)


class FragmentParams(FeaturizerParams):
    """Which substructures are counted."""

    min_count: int = Field(
        2,
        ge=1,
        le=1000,
        title="Least compounds",
        description="Keep BRICS fragments that at least so many training compounds have.",
    )
    labelled: bool = Field(
        False,
        title="Labelled cuts",
        description="Tell fragments apart by the kind of bond that was cut; otherwise the bare "
        "fragment counts.",
    )
    groups: bool = Field(
        True,
        title="Groups and rings",
        description="Add counts of 85 functional groups and of rings by kind and size.",
    )


@FEATURIZERS.register(
    "fragments",
    label="Substructure counts",
    help="How often each building block occurs: the molecule cut at its BRICS bonds (Degen et al. "
    "2008), with functional groups and rings.",
    branch="molecule",
)
class FragmentCounts(Featurizer):
    """Counts over a vocabulary of fragments fitted on the training compounds."""

    Params = FragmentParams

    def fit(self, obs: pd.DataFrame, targets: np.ndarray) -> Self:
        """Learn the vocabulary: each distinct molecule of the training rows counts once."""
        found, _ = map_molecules(obs, lambda smiles: brics_counts(smiles, self.params.labelled))
        compounds = Counter(fragment for counts in found for fragment in counts)
        self._vocabulary = sorted(
            fragment for fragment, n in compounds.items() if n >= self.params.min_count
        )
        return self

    def transform(self, obs: pd.DataFrame) -> np.ndarray:
        """Counts, float32 ``(len(obs), len(names))``."""
        position = {fragment: i for i, fragment in enumerate(self._vocabulary)}

        def row(smiles: str) -> np.ndarray:
            counts = np.zeros(len(position), dtype=np.float32)
            for fragment, n in brics_counts(smiles, self.params.labelled).items():
                if fragment in position:
                    counts[position[fragment]] = n
            return np.append(counts, group_counts(smiles)) if self.params.groups else counts

        return stack(obs, row, len(self.names))

    @property
    def names(self) -> list[str]:
        """SMILES of the fragments, then ``fr_*`` and rings."""
        return [*self._vocabulary, *(GROUPS + RINGS if self.params.groups else ())]

    def state(self) -> dict[str, Any]:
        """The vocabulary."""
        return {"vocabulary": list(self._vocabulary)}

    def restore(self, state: dict[str, Any]) -> Self:
        """Put the vocabulary back."""
        self._vocabulary = list(state["vocabulary"])
        return self


@lru_cache(maxsize=CACHE_SIZE)
def brics_counts(smiles: str, labelled: bool) -> dict[str, int]:
    """Fragments of a molecule cut at all its BRICS bonds, and how often each occurs.

    Parameters
    ----------
    smiles
        The molecule; its largest part is cut.
    labelled
        Write the open ends as ``[n*]`` with the number of the BRICS environment.

    Returns
    -------
    Canonical SMILES without stereochemistry → count. Callers must not change it.
    """
    mol = Chem.Mol(structure(smiles))
    Chem.RemoveStereochemistry(mol)
    cuts = list(BRICS.FindBRICSBonds(mol))
    if not cuts:
        return {Chem.MolToSmiles(mol): 1}
    bonds = [mol.GetBondBetweenAtoms(*atoms).GetIdx() for atoms, _ in cuts]
    if labelled:
        ends = [(_environment(left), _environment(right)) for _, (left, right) in cuts]
        pieces = Chem.FragmentOnBonds(mol, bonds, addDummies=True, dummyLabels=ends)
    else:
        pieces = Chem.FragmentOnBonds(mol, bonds, addDummies=False)
    parts = Chem.GetMolFrags(pieces, asMols=True, sanitizeFrags=False)
    return dict(Counter(Chem.MolToSmiles(part) for part in parts))


def _environment(label: str) -> int:
    """The number of a BRICS environment: ``"7a"`` and ``"7b"`` are both 7."""
    return int(re.sub(r"\D", "", label))


@lru_cache(maxsize=CACHE_SIZE)
def group_counts(smiles: str) -> np.ndarray:
    """Counts of :data:`GROUPS` and :data:`RINGS` in the molecule's largest part, float32."""
    mol = structure(smiles)
    groups = [getattr(Fragments, name)(mol) for name in GROUPS]
    sizes = Counter(min(len(ring), 8) for ring in mol.GetRingInfo().AtomRings())
    rings = [
        rdMolDescriptors.CalcNumRings(mol),
        rdMolDescriptors.CalcNumAromaticRings(mol),
        rdMolDescriptors.CalcNumAliphaticRings(mol),
        rdMolDescriptors.CalcNumSaturatedRings(mol),
        rdMolDescriptors.CalcNumAromaticHeterocycles(mol),
        rdMolDescriptors.CalcNumAliphaticHeterocycles(mol),
        rdMolDescriptors.CalcNumSpiroAtoms(mol),
        rdMolDescriptors.CalcNumBridgeheadAtoms(mol),
        *(sizes[size] for size in range(3, 9)),
    ]
    return np.asarray(groups + rings, dtype=np.float32)
