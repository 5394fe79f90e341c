"""Inputs of the models for many new molecules: only what the models at hand look at.

``FeaturePipeline.transform`` makes every view from the SMILES of every pair. A screen has the
molecules parsed already, asks for the same ones in several cell types, and its models often need
one fingerprint only; the arrays are the same (a test holds the two together).
"""

from __future__ import annotations

import copy
from collections.abc import Container, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from rdkit import Chem
from scipy import sparse

from core.featurizers.base import FEATURIZERS, Featurizer
from core.featurizers.fingerprints import generator
from core.featurizers.inputs import CELL, Inputs
from core.featurizers.kernel_views import KERNEL, VIEWS
from core.featurizers.morgan import Morgan
from core.featurizers.pipeline import FeaturePipeline
from core.molecules.parse import parse
from core.molecules.standardise import complete

RADIUS, LENGTH = 2, 2048
#: RDKit packs sparse counts as four words (version, width, length, entries) and then pairs of
#: position and count.
_HEAD = 4


@dataclass
class Molecules:
    """Standardised molecules of one chunk, with what is computed of them once.

    Attributes
    ----------
    mols
        ``(n,)`` parsed molecules.
    names
        Training name of each, or a text that training did not have.
    """

    mols: Sequence[Chem.Mol]
    names: Sequence[str]

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def smiles(self) -> list[str]:
        """Canonical SMILES."""
        return [Chem.MolToSmiles(mol) for mol in self.mols]

    @cached_property
    def counts(self) -> np.ndarray:
        """Morgan counts of radius 2, uint16 ``(n, 2048)``: domain, identity and features."""
        return self.fingerprint("morgan", RADIUS, LENGTH)

    @cached_property
    def sparse_counts(self) -> sparse.csr_matrix:
        """:attr:`counts`, uint32 CSR ``(n, 2048)``."""
        return sparse.csr_matrix(self.counts, dtype=np.uint32)

    @cached_property
    def bits(self) -> sparse.csr_matrix:
        """Set bits, float32 CSR ``(n, 2048)``."""
        found = self.sparse_counts
        ones = np.ones(found.nnz, dtype=np.float32)
        return sparse.csr_matrix((ones, found.indices, found.indptr), shape=found.shape)

    @cached_property
    def sizes(self) -> np.ndarray:
        """Atoms and bonds of each molecule, uint64 ``(n, 2)``."""
        sizes = [(mol.GetNumAtoms(), mol.GetNumBonds()) for mol in self.mols]
        return np.asarray(sizes, dtype=np.uint64).reshape(-1, 2)

    @cached_property
    def _fingerprints(self) -> dict[tuple[str, int, int], np.ndarray]:
        return {}

    def fingerprint(self, family: str, radius: int, length: int) -> np.ndarray:
        """Count fingerprints, uint16 ``(n, length)``; each is made once."""
        made = self._fingerprints
        key = (family, radius, length)
        if key not in made:
            made[key] = self._fingerprint(*key)
        return made[key]

    def _fingerprint(self, family: str, radius: int, length: int) -> np.ndarray:
        make = generator(family, radius, length).GetCountFingerprintAsNumPy
        counts = np.zeros((len(self.mols), length), dtype=np.uint16)
        for row, mol in enumerate(self.mols):
            counts[row] = make(mol)
        return counts

    def canonical(self, row: int) -> str:
        """Canonical SMILES of one molecule."""
        return Chem.MolToSmiles(self.mols[row])

    def alike(self, similarity: np.ndarray) -> np.ndarray:
        """Rows that may be a training compound: those with all its bits."""
        return np.flatnonzero(similarity >= 1.0)

    def named(self, names: Sequence[str]) -> Molecules:
        """The same molecules under other names, with what was computed of them."""
        other = copy.copy(self)
        other.names = names
        return other


class CountedMolecules(Molecules):
    """Molecules of which only Morgan counts and sizes were kept, as texts pass by.

    A parsed molecule is quickest looked at at once and let go: two thousand of them held together
    cost a quarter more time. Whatever else asks for the molecules reads them anew.

    Parameters
    ----------
    known
        Prints of training compounds (:func:`count_print`): a molecule that has one is written
        canonically while it is at hand.
    """

    def __init__(self, known: Container[bytes] = frozenset()) -> None:
        self.texts: list[str] = []
        self._known_prints = known
        self._prints: list[bytes] = []
        self._sizes: list[tuple[int, int]] = []
        self._canonical: dict[int, str] = {}
        self._make = generator("morgan", RADIUS, LENGTH).GetCountFingerprint

    def add(self, mol: Chem.Mol, text: str) -> None:
        """Take in a standardised molecule, written ``text``; it may come from :func:`read_clean`."""
        found = self._make(mol).ToBinary()
        if found in self._known_prints:
            self._canonical[len(self.texts)] = Chem.MolToSmiles(complete(mol))
        self._prints.append(found)
        self._sizes.append((mol.GetNumAtoms(), mol.GetNumBonds()))
        self.texts.append(text)

    @cached_property
    def names(self) -> Sequence[str]:  # type: ignore[override]
        """Empty: no name is known yet."""
        return [""] * len(self.texts)

    @cached_property
    def mols(self) -> Sequence[Chem.Mol]:  # type: ignore[override]
        """Molecules, read anew from their texts."""
        return [parse(text) for text in self.texts]

    def canonical(self, row: int) -> str:
        """Canonical SMILES of one molecule."""
        return self._canonical.get(row) or Chem.MolToSmiles(parse(self.texts[row]))

    def alike(self, similarity: np.ndarray) -> np.ndarray:
        """Rows that may be a training compound: those with all its counts."""
        return np.fromiter(self._canonical, dtype=np.int64, count=len(self._canonical))

    @cached_property
    def sparse_counts(self) -> sparse.csr_matrix:
        """Morgan counts, uint32 CSR ``(n, 2048)``."""
        words = np.frombuffer(b"".join(self._prints), dtype="<u4")
        sizes = np.asarray([len(found) for found in self._prints], dtype=np.int64) // 4
        inside = np.ones(len(words), dtype=bool)
        starts = np.cumsum(sizes) - sizes
        inside[(starts[:, None] + np.arange(_HEAD)).ravel()] = False
        pairs = words[inside]
        ends = np.concatenate([[0], np.cumsum((sizes - _HEAD) // 2)])
        return sparse.csr_matrix(
            (pairs[1::2].astype(np.uint32), pairs[::2].astype(np.int32), ends.astype(np.int32)),
            shape=(len(self._prints), LENGTH),
        )

    @cached_property
    def counts(self) -> np.ndarray:
        """Morgan counts of radius 2, uint16 ``(n, 2048)``."""
        return self.sparse_counts.astype(np.uint16).toarray()

    @cached_property
    def sizes(self) -> np.ndarray:
        """Atoms and bonds of each molecule, uint64 ``(n, 2)``."""
        return np.asarray(self._sizes, dtype=np.uint64).reshape(-1, 2)


def count_print(mol: Chem.Mol) -> bytes:
    """The Morgan counts of a molecule as RDKit packs them; equal for equal counts."""
    return bytes(generator("morgan", RADIUS, LENGTH).GetCountFingerprint(mol).ToBinary())


class FeatureMaker:
    """Makes :class:`Inputs` of new molecules in one cell type after the other.

    Parameters
    ----------
    pipeline
        The run's fitted pipeline.
    kernel
        Whether any model compares molecules by the pipeline's hidden fingerprints.
    """

    def __init__(self, pipeline: FeaturePipeline, *, kernel: bool) -> None:
        state = pipeline.state()
        self.cell_types = list(state["cell_types"])
        self.compounds = {name: code for code, name in enumerate(state["compounds"])}
        self.kernel = kernel
        self._featurizers: dict[str, Featurizer] = {}
        for name, params in pipeline.specs:
            kind = FEATURIZERS.get(name).value
            featurizer = kind(kind.Params(**params), seed=pipeline.seed)
            self._featurizers[name] = featurizer.restore(state["featurizers"][name])

    @property
    def counts_suffice(self) -> bool:
        """Whether Morgan counts of radius 2 are all that is looked at of a molecule."""
        molecular = [f for f in self._featurizers.values() if f.branch != CELL]
        return not self.kernel and all(isinstance(f, Morgan) and _folds(f) for f in molecular)

    def molecule_views(self, molecules: Molecules) -> dict[str, np.ndarray]:
        """Views that do not depend on the cell type, float32 ``(n, d)`` each."""
        views = {}
        for name, featurizer in self._featurizers.items():
            if isinstance(featurizer, Morgan):
                views[name] = _morgan(featurizer, molecules)
            elif featurizer.branch != CELL:
                obs = pd.DataFrame({"SMILES": molecules.smiles, "sm_name": list(molecules.names)})
                views[name] = featurizer.transform(obs)
        if self.kernel:
            for name, (family, radius, length) in VIEWS.items():
                same = (family, radius, length) == ("morgan", RADIUS, LENGTH)
                counts = molecules.counts if same else molecules.fingerprint(family, radius, length)
                views[name] = counts.astype(np.float32)
        return views

    def inputs(
        self, molecules: Molecules, cell_type: str, views: dict[str, np.ndarray] | None = None
    ) -> Inputs:
        """Inputs of all molecules in one cell type.

        ``views`` are those of :meth:`molecule_views`, where the caller has them already.
        """
        ready = dict(self.molecule_views(molecules) if views is None else views)
        branches = dict.fromkeys(VIEWS, KERNEL) if self.kernel else {}
        n = len(molecules)
        # Cell features see the compound by its name alone, and almost all names are new.
        names, rows = np.unique(np.asarray(self._known(molecules.names)), return_inverse=True)
        obs = pd.DataFrame({"cell_type": cell_type, "sm_name": names, "SMILES": "C"})
        for name, featurizer in self._featurizers.items():
            branches[name] = featurizer.branch
            if name not in ready:
                ready[name] = featurizer.transform(obs)[rows]
        order = [*self._featurizers, *(VIEWS if self.kernel else ())]
        codes = [self.compounds.get(name, -1) for name in molecules.names]
        return Inputs(
            cell_type=np.full(n, self.cell_types.index(cell_type), dtype=np.int64),
            compound=np.asarray(codes, dtype=np.int64),
            n_cell_types=len(self.cell_types),
            n_compounds=len(self.compounds),
            views={name: ready[name] for name in order},
            branches=branches,
        )

    def _known(self, names: Sequence[str]) -> list[str]:
        return [name if name in self.compounds else "" for name in names]


def _folds(featurizer: Morgan) -> bool:
    """Whether the view is a sum of blocks of the 2,048 Morgan counts."""
    params = featurizer.params
    return not params.pharmacophoric and params.radius == RADIUS and LENGTH % params.length == 0


def _morgan(featurizer: Morgan, molecules: Molecules) -> np.ndarray:
    """The Morgan view; a shorter fingerprint is the sum of a longer one's blocks."""
    params = featurizer.params
    if _folds(featurizer):
        found = molecules.sparse_counts
        folded = sparse.csr_matrix(
            (found.data.astype(np.float32), found.indices % params.length, found.indptr),
            shape=(len(molecules), params.length),
        )
        counts = folded.toarray()
    else:
        family = "feature_morgan" if params.pharmacophoric else "morgan"
        counts = molecules.fingerprint(family, params.radius, params.length).astype(np.float32)
    return counts if params.kind == "counts" else np.minimum(counts, np.float32(1))
