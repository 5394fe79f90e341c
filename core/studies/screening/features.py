"""Inputs of the models for many new molecules: only what the models at hand look at.

``FeaturePipeline.transform`` makes every view from the SMILES of every pair. A screen has the
molecules parsed already, asks for the same ones in several cell types, and its models often need
one fingerprint only; the arrays are the same (a test holds the two together).
"""

from __future__ import annotations

from collections.abc import Sequence
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

RADIUS, LENGTH = 2, 2048


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
        return len(self.mols)

    @cached_property
    def smiles(self) -> list[str]:
        """Canonical SMILES."""
        return [Chem.MolToSmiles(mol) for mol in self.mols]

    @cached_property
    def counts(self) -> np.ndarray:
        """Morgan counts of radius 2, uint16 ``(n, 2048)``: domain, identity and features."""
        return self.fingerprint("morgan", RADIUS, LENGTH)

    @cached_property
    def set_bits(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows and columns of ``counts`` that are not zero, by row."""
        rows, columns = np.nonzero(self.counts)
        return rows, columns

    @cached_property
    def bits(self) -> sparse.csr_matrix:
        """Set bits, float32 CSR ``(n, 2048)``."""
        rows, columns = self.set_bits
        ends = np.cumsum(np.bincount(rows, minlength=len(self)))
        values = np.ones(len(rows), dtype=np.float32)
        return sparse.csr_matrix(
            (values, columns, np.concatenate([[0], ends])), shape=(len(self), LENGTH)
        )

    def fingerprint(self, family: str, radius: int, length: int) -> np.ndarray:
        """Count fingerprints, uint16 ``(n, length)``."""
        make = generator(family, radius, length).GetCountFingerprintAsNumPy
        counts = np.zeros((len(self.mols), length), dtype=np.uint16)
        for row, mol in enumerate(self.mols):
            counts[row] = make(mol)
        return counts


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


def _morgan(featurizer: Morgan, molecules: Molecules) -> np.ndarray:
    """The Morgan view; a shorter fingerprint is the sum of a longer one's blocks."""
    params = featurizer.params
    folds = not params.pharmacophoric and params.radius == RADIUS and LENGTH % params.length == 0
    if folds:
        blocks = molecules.counts.reshape(len(molecules), LENGTH // params.length, params.length)
        counts = blocks.sum(axis=1, dtype=np.float32)
    else:
        family = "feature_morgan" if params.pharmacophoric else "morgan"
        counts = molecules.fingerprint(family, params.radius, params.length).astype(np.float32)
    return counts if params.kind == "counts" else np.minimum(counts, np.float32(1))
