"""SMILES as token sequences, the canonical one and random ones of the same molecule."""

from __future__ import annotations

import re
import zlib
from collections import Counter
from functools import lru_cache
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from pydantic import Field
from rdkit import Chem

from core.featurizers.base import FEATURIZERS, Featurizer, FeaturizerParams
from core.featurizers.inputs import SEQUENCE
from core.featurizers.molecules import CACHE_SIZE, map_molecules, stack, structure
from core.molecules.random_smiles import random_smiles

#: Codes that are no token: filling, first position of every SMILES, token never seen in training.
PAD, START, UNKNOWN = 0, 1, 2
#: Codes there can be; rarer tokens are unknown.
VOCABULARY = 256
_TOKEN = re.compile(r"\[[^\]]*\]|Br|Cl|%\d\d|.")


class SmilesTokenParams(FeaturizerParams):
    """How molecules are spelt."""

    length: int = Field(
        120,
        ge=16,
        le=1024,
        title="Length",
        description="Tokens of a SMILES that are read; the rest of a longer one is cut.",
    )
    n_variants: int = Field(
        16,
        ge=1,
        le=256,
        title="Spellings",
        description="Spellings of each molecule: the canonical SMILES, the others random. 1 is no "
        "augmentation.",
    )


@FEATURIZERS.register(
    "smiles_tokens",
    label="SMILES tokens",
    help="The SMILES as a sequence of tokens, in several random spellings (Arús-Pous et al. "
    "2019); read by the SMILES encoder only.",
    branch=SEQUENCE,
)
class SmilesTokens(Featurizer):
    """Token codes of the canonical SMILES and of random ones; a vocabulary is fitted."""

    branch: ClassVar[str] = SEQUENCE
    Params = SmilesTokenParams

    def fit(self, obs: pd.DataFrame, targets: np.ndarray) -> Self:
        """Learn the tokens of the training compounds, each compound counting once."""
        found, _ = map_molecules(obs, self._spellings)
        counts = Counter(token for texts in found for text in texts for token in tokens(text))
        common = sorted(counts, key=lambda token: (-counts[token], token))
        self._vocabulary = sorted(common[: VOCABULARY - UNKNOWN - 1])
        return self

    def transform(self, obs: pd.DataFrame) -> np.ndarray:
        """Codes, float32 ``(len(obs), n_variants × length)``; the canonical spelling first.

        Every spelling begins with :data:`START` and is filled with :data:`PAD`.
        """
        code = {token: i for i, token in enumerate(self._vocabulary, start=UNKNOWN + 1)}
        length = self.params.length

        def row(smiles: str) -> np.ndarray:
            codes = np.full((self.params.n_variants, length), PAD, dtype=np.float32)
            codes[:, 0] = START
            for variant, text in enumerate(self._spellings(smiles)):
                read = [code.get(token, UNKNOWN) for token in tokens(text)[: length - 1]]
                codes[variant, 1 : 1 + len(read)] = read
            return codes.ravel()

        return stack(obs, row, len(self.names))

    def _spellings(self, smiles: str) -> tuple[str, ...]:
        return spellings(smiles, self.params.n_variants, self.seed)

    @property
    def names(self) -> list[str]:
        """``smiles0_0`` …: spelling and position."""
        positions = range(self.params.length)
        return [f"smiles{v}_{p}" for v in range(self.params.n_variants) for p in positions]

    def state(self) -> dict[str, Any]:
        """The vocabulary."""
        return {"vocabulary": list(self._vocabulary)}

    def restore(self, state: dict[str, Any]) -> Self:
        """Put the vocabulary back."""
        self._vocabulary = list(state["vocabulary"])
        return self


def tokens(smiles: str) -> list[str]:
    """Split a SMILES into atoms, bonds, branches and ring closures: ``"C[nH]1"`` → C, [nH], 1."""
    return _TOKEN.findall(smiles)


@lru_cache(maxsize=CACHE_SIZE)
def spellings(smiles: str, n: int, seed: int) -> tuple[str, ...]:
    """The canonical SMILES and ``n − 1`` random ones of a molecule's largest part.

    They depend on the molecule, ``n`` and the seed only, not on how ``smiles`` was written.
    """
    canonical = Chem.MolToSmiles(structure(smiles))
    if n == 1:
        return (canonical,)
    own = zlib.crc32(canonical.encode()) % 1_000_003
    # From the canonical SMILES: the order of atoms in the input must not matter.
    mol = Chem.MolFromSmiles(canonical)
    return (canonical, *random_smiles(mol, n - 1, seed=own + seed))
