"""What every section of the molecule panel looks at, and its cached computations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st
from rdkit import Chem, DataStructs

from core.data import PerturbationTable
from core.data.table import TRAIN
from core.molecules import conformers, depict, properties
from core.molecules.chemical_space import chemical_space
from core.molecules.library import Library, library
from core.molecules.morgan_bits import generator, shared_environments
from core.molecules.neighbours import Common, common_substructure
from core.molecules.parse import from_hex, to_hex
from core.molecules.substructures import PartCounts, count_parts
from core.plots.theme import Palette

#: Session memory of the highlighted part: {"smiles", "label", "atoms"}.
HIGHLIGHT = "molecules-highlight"
#: Session memory of the compound that a button asks to open.
OPEN = "molecules-open"


#: Column of :func:`columns`: how strongly cells answer to a compound.
STRENGTH = "Mean response RMS (training rows)"


@dataclass(frozen=True)
class Chosen:
    """The molecule in use.

    Attributes
    ----------
    mol
        The molecule; atom indices of every section are its own.
    name
        Its name in the data, or what the user wrote after its SMILES; may be empty.
    position
        Its row in the library, None where it is not of the data.
    """

    mol: Chem.Mol
    smiles: str
    name: str
    position: int | None


@dataclass(frozen=True)
class Shelf:
    """The loaded data's compounds, and the colours of the page."""

    table: PerturbationTable | None
    compounds: Library | None
    palette: Palette

    @property
    def dark(self) -> bool:
        """Whether the page is dark."""
        return self.palette.mode == "dark"

    @property
    def key(self) -> str:
        """What identifies the compounds in a cache."""
        return self.table.content_hash if self.table is not None else ""


@st.cache_resource(max_entries=4, show_spinner="Reading structures …")
def _library(key: str, _table: PerturbationTable) -> Library:
    return library(_table.obs)


def shelf(table: PerturbationTable | None, palette: Palette) -> Shelf:
    """The compounds of a table; none where no data set is prepared."""
    compounds = _library(table.content_hash, table) if table is not None else None
    return Shelf(table, compounds, palette)


@st.cache_data(max_entries=4000, show_spinner=False)
def _drawing(
    molecule: str,
    size: tuple[int, int],
    parts: tuple[tuple[tuple[int, ...], tuple[int, ...] | None, depict.RGB], ...],
    dark: bool,
    numbers: bool,
) -> str:
    highlights = [depict.Highlight(atoms, bonds, colour) for atoms, bonds, colour in parts]
    return depict.draw(
        from_hex(molecule), size=size, highlights=highlights, dark=dark, atom_numbers=numbers
    )


def drawing(
    mol: Chem.Mol,
    *,
    size: tuple[int, int] = (240, 180),
    highlights: tuple[depict.Highlight, ...] = (),
    dark: bool = False,
    numbers: bool = False,
) -> str:
    """SVG of a molecule, remembered."""
    parts = tuple((h.atoms, h.bonds, h.colour) for h in highlights)
    return _drawing(to_hex(mol), size, parts, dark, numbers)


@st.cache_data(max_entries=64, show_spinner=False)
def _descriptors(smiles: str) -> dict[str, float]:
    return properties.descriptors(Chem.MolFromSmiles(smiles))


def descriptors(mol: Chem.Mol) -> dict[str, float]:
    """Descriptors of one molecule."""
    return _descriptors(Chem.MolToSmiles(mol))


@st.cache_resource(max_entries=64, show_spinner="Building the 3D structure …")
def conformer(molecule: str, n_conformers: int) -> conformers.Conformer:
    """Conformer of a molecule given as ``to_hex`` wrote it."""
    return conformers.embed(from_hex(molecule), n_conformers=n_conformers)


@st.cache_resource(max_entries=4, show_spinner="Cutting every compound into its parts …")
def _counts(key: str, _mols: tuple[Chem.Mol, ...]) -> PartCounts:
    return count_parts(_mols)


def counts(view: Shelf) -> PartCounts | None:
    """Substructure counts of the data's compounds."""
    return _counts(view.key, view.compounds.mols) if view.compounds is not None else None


@st.cache_data(max_entries=16, show_spinner="Reading the environments of every compound …")
def _shared(key: str, radius: int, size: int, _mols: tuple[Chem.Mol, ...]) -> np.ndarray:
    return shared_environments(_mols, radius=radius, size=size)


def shared(view: Shelf, radius: int, size: int) -> np.ndarray | None:
    """Environments of the data's compounds on each bit."""
    if view.compounds is None:
        return None
    return _shared(view.key, radius, size, view.compounds.mols)


@st.cache_data(max_entries=8, show_spinner="Laying out chemical space (UMAP) …")
def _space(key: str, n_neighbours: int, min_dist: float, _library: Library) -> np.ndarray:
    return chemical_space(
        _library.fingerprints, n_neighbours=n_neighbours, min_dist=min_dist, seed=0
    )


def space(view: Shelf, n_neighbours: int, min_dist: float) -> np.ndarray:
    """Two coordinates a compound."""
    assert view.compounds is not None
    return _space(view.key, n_neighbours, min_dist, view.compounds)


@st.cache_data(max_entries=4, show_spinner="Describing every compound …")
def _columns(key: str, _table: PerturbationTable, _library: Library) -> pd.DataFrame:
    frame = _library.frame.copy()
    figures = pd.DataFrame([properties.descriptors(mol) for mol in _library.mols])
    named = {d.name: d.label for d in properties.DESCRIPTORS}
    frame = frame.join(figures.rename(columns=named))
    obs = _table.obs
    known = (obs["split"] == TRAIN).to_numpy()
    rms = np.full(_table.n_pairs, np.nan, dtype=np.float64)
    rows = np.flatnonzero(known)
    values = np.asarray(_table.values[rows], dtype=np.float32)
    rms[rows] = np.sqrt(np.mean(np.square(values), axis=1))
    by = obs["sm_name"].astype(str)
    frame["Pairs measured"] = frame["name"].map(by.value_counts()).astype("float64")
    strength = pd.Series(rms).groupby(by.to_numpy()).mean()
    frame[STRENGTH] = frame["name"].map(strength)
    return frame


def columns(view: Shelf) -> pd.DataFrame:
    """The compounds' columns with descriptors and strength of response, one row a compound."""
    assert view.table is not None and view.compounds is not None
    return _columns(view.key, view.table, view.compounds)


@st.cache_data(max_entries=512, show_spinner=False)
def _common(first: str, second: str) -> Common:
    return common_substructure(from_hex(first), from_hex(second))


def common(first: Chem.Mol, second: Chem.Mol) -> Common:
    """Maximum common substructure, remembered."""
    return _common(to_hex(first), to_hex(second))


def fingerprint(mol: Chem.Mol) -> DataStructs.ExplicitBitVect:
    """Morgan fingerprint as the library's."""
    return generator().GetFingerprint(mol)


def highlighted(chosen: Chosen) -> tuple[str, tuple[int, ...]]:
    """Label and atoms of the part that the user chose, if it belongs to this molecule."""
    kept = st.session_state.get(HIGHLIGHT)
    if not kept or kept["smiles"] != chosen.smiles:
        return "", ()
    return kept["label"], tuple(kept["atoms"])


def highlight(chosen: Chosen, label: str, atoms: tuple[int, ...]) -> None:
    """Highlight a part of the molecule in 2D and 3D; a second time takes it away."""
    again = highlighted(chosen) == (label, tuple(atoms))
    if again or not atoms:
        st.session_state.pop(HIGHLIGHT, None)
        return
    st.session_state[HIGHLIGHT] = {"smiles": chosen.smiles, "label": label, "atoms": list(atoms)}


def picked(view: Shelf) -> set[str]:
    """Names of the compounds that the user picked from this data set, to be changed in place."""
    return st.session_state.setdefault(f"molecules-picked-{view.key}", set())


def open_compound(name: str) -> None:
    """Make a compound of the data the molecule in use (for buttons)."""
    st.session_state[OPEN] = name
