"""Standardisation as ChEMBL does it, with a fast path for the clean majority.

The steps are those of Bento et al., *J. Cheminform.* 12, 51 (2020), through RDKit's
``rdMolStandardize``: clean-up (metals disconnected, functional groups normalised, charges put
where the stronger acid is), the largest parent fragment, no isotopes, the neutral form; and, on
request, the canonical tautomer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from rdkit import Chem, rdBase
from rdkit.Chem import rdqueries
from rdkit.Chem.MolStandardize import rdMolStandardize

from core.molecules.parse import MAX_ATOMS, MAX_DEPTH, MoleculeError

_NITRO = re.compile(
    r"\[N\+\]\(=O\)\[O-\]|\[O-\]\[N\+\]\(=O\)|O=\[N\+\]\(\[O-\]\)|\[N\+\]\(\[O-\]\)=O"
)
#: SMILES that the whole pipeline leaves as they are have only atoms of the organic subset, and in
#: brackets [nH], stereo centres, silicon and nitrogen that is charged for good; no dot, anion,
#: isotope or explicit valence. (Any other order of these letters is no SMILES.)
_ORGANIC = "BCNOPSFIbcnopslr-=#:()/\\%0123456789"
_PLAIN_BRACKET = re.compile(r"\[(?:C@@?H?|nH|[CNOS]H?|[Nn]\+|Si)\]")
_SULFONE = re.compile(r"S\d?\(=O\)\(=O\)|O=S\d?\(=O\)")
#: Atoms and bonds only: sanitised by the caller, hydrogens and stereochemistry left alone.
_UNPERCEIVED: Any = Chem.SmilesParserParams()
_UNPERCEIVED.parseName = False
_UNPERCEIVED.allowCXSMILES = False
_UNPERCEIVED.sanitize = False
_UNPERCEIVED.removeHs = False
#: What a connectivity fingerprint depends on: valence, rings, aromaticity, hydrogens.
_ENOUGH: Any = (
    Chem.SanitizeFlags.SANITIZE_CLEANUP
    | Chem.SanitizeFlags.SANITIZE_PROPERTIES
    | Chem.SanitizeFlags.SANITIZE_SYMMRINGS
    | Chem.SanitizeFlags.SANITIZE_KEKULIZE
    | Chem.SanitizeFlags.SANITIZE_SETAROMATICITY
    | Chem.SanitizeFlags.SANITIZE_ADJUSTHS
)
_REST: Any = (
    Chem.SanitizeFlags.SANITIZE_FINDRADICALS
    | Chem.SanitizeFlags.SANITIZE_SETCONJUGATION
    | Chem.SanitizeFlags.SANITIZE_SETHYBRIDIZATION
    | Chem.SanitizeFlags.SANITIZE_CLEANUPCHIRALITY
)
_LABELLED = rdqueries.IsotopeGreaterQueryAtom(0)
_SULFOXIDE = Chem.MolFromSmarts("[!O][S+0;D3](=O)[!O]")
#: An iminium may have a neutral form; a quaternary nitrogen and a nitro group have none.
_IMINIUM = Chem.MolFromSmarts("[N+;!X4;!$([N+](=O)[O-])]")

FRAGMENT, CHARGE, ISOTOPE, METAL, GROUPS, TAUTOMER = (
    "largest part kept",
    "neutralised",
    "isotopes removed",
    "metal disconnected",
    "groups normalised",
    "canonical tautomer",
)


@dataclass(frozen=True)
class Standardised:
    """A standardised molecule and what was done to it.

    Attributes
    ----------
    mol
        The parent molecule.
    changes
        What changed, in words; empty for a clean molecule.
    """

    mol: Chem.Mol
    changes: tuple[str, ...] = ()

    @cached_property
    def smiles(self) -> str:
        """Canonical SMILES of the parent (computed when first asked for)."""
        return Chem.MolToSmiles(self.mol)


def is_clean(smiles: str, mol: Chem.Mol) -> bool:
    """Whether the pipeline is known to leave ``mol``, read from ``smiles``, as it is.

    A test holds this against the whole pipeline on the LINCS compounds.
    """
    return _looks_clean(smiles) and not _has_doubtful_group(smiles, mol)


def _looks_clean(smiles: str) -> bool:
    plain = smiles
    if "[" in plain:
        plain = _PLAIN_BRACKET.sub("", _without_nitro(plain))
    return plain != "" and not plain.strip(_ORGANIC)


def _without_nitro(smiles: str) -> str:
    return _NITRO.sub("", smiles) if "+" in smiles else smiles


def _has_doubtful_group(smiles: str, mol: Chem.Mol) -> bool:
    """Whether a sulfoxide or an iminium is there; the text spares most molecules the search."""
    if "+" in smiles and "+" in _without_nitro(smiles) and mol.HasSubstructMatch(_IMINIUM):
        return True
    if "S" not in smiles and "s" not in smiles:
        return False
    rest = _SULFONE.sub("", smiles)
    sulfur, oxo = "S" in rest or "s" in rest, "=O" in rest or "O=" in rest
    return sulfur and oxo and mol.HasSubstructMatch(_SULFOXIDE)


def read_clean(text: str) -> Chem.Mol | None:
    """Molecule of a SMILES that standardising leaves as it is, its stereochemistry not perceived.

    For fingerprints that do not look at stereochemistry, whose perception is a quarter of a
    parse. None wherever the text is not plainly clean: then the long way, :func:`parse_line` and
    :func:`standardise`, decides and gives the reasons. :func:`complete` perceives the rest.
    """
    if len(text) > MAX_ATOMS or text.count("(") > MAX_DEPTH or not _looks_clean(text):
        return None
    mol = Chem.MolFromSmiles(text, _UNPERCEIVED)
    if mol is None or Chem.SanitizeMol(mol, _ENOUGH, catchErrors=True):
        return None
    return None if _has_doubtful_group(text, mol) else mol


def complete(mol: Chem.Mol) -> Chem.Mol:
    """``mol`` of :func:`read_clean`, changed in place to what a whole parse gives."""
    Chem.SanitizeMol(mol, _REST)
    Chem.AssignStereochemistry(mol, cleanIt=True, force=True)
    return mol


def standardise(
    mol: Chem.Mol, smiles: str | None = None, *, tautomer: bool = False, explain: bool = True
) -> Standardised:
    """Parent form of a molecule: largest fragment, no isotopes, neutral.

    Parameters
    ----------
    mol
        A sanitised molecule; it is not changed.
    smiles
        The text it was read from, if known: lets clean molecules skip the pipeline.
    tautomer
        Also move to RDKit's canonical tautomer (slow: tens of milliseconds a molecule).
    explain
        Note what changed (half of the pipeline's time); without it ``changes`` stays empty.

    Raises
    ------
    MoleculeError
        When the pipeline fails on this molecule, or nothing is left of it.
    """
    text = smiles if smiles is not None else Chem.MolToSmiles(mol)
    if not tautomer and is_clean(text, mol):
        return Standardised(mol)
    with rdBase.BlockLogs():
        try:
            done = _pipeline(mol, tautomer, explain)
            # Ferrocene's rings, for one, come out as radicals whose SMILES RDKit does not read.
            sound = Chem.MolFromSmiles(done.smiles) is not None
        except (ValueError, RuntimeError) as error:
            reason = " ".join(str(error).split())[:120]
            raise MoleculeError(f"The molecule cannot be standardised: {reason}.") from None
    if not sound:
        raise MoleculeError(
            f"The molecule cannot be standardised: what is left of it ({done.smiles}) is no "
            "possible molecule."
        )
    return done


def _pipeline(mol: Chem.Mol, tautomer: bool, explain: bool = True) -> Standardised:
    """All steps, whatever the molecule is; each that changed its SMILES is noted."""
    changes = []
    plain = mol.GetNumHeavyAtoms() == mol.GetNumAtoms()
    current: Any = Chem.Mol(mol) if plain else Chem.RemoveHs(mol)
    before = Chem.MolToSmiles(current) if explain else ""

    def note(what: str) -> None:
        nonlocal before
        if not explain:
            return
        after = Chem.MolToSmiles(current)
        if after != before:
            changes.append(what)
            before = after

    # The four steps of rdMolStandardize.Cleanup, by objects that are made once: Cleanup itself
    # reads its tables of patterns anew for every molecule, which takes a millisecond.
    _metals().DisconnectInPlace(current)
    note(METAL)
    _normaliser().normalizeInPlace(current)
    _reioniser().reionizeInPlace(current)
    Chem.AssignStereochemistry(current, cleanIt=True, force=True)
    note(GROUPS)
    if len(Chem.GetMolFrags(current)) > 1:
        current = _largest().choose(current)
        note(FRAGMENT)
    if current.GetNumHeavyAtoms() == 0:
        raise MoleculeError("Nothing but hydrogen is left of the molecule.")
    if len(current.GetAtomsMatchingQuery(_LABELLED)):
        rdMolStandardize.IsotopeParentInPlace(current, skipStandardize=True)
        note(ISOTOPE)
    _uncharger().unchargeInPlace(current)
    note(CHARGE)
    if tautomer:
        current = _tautomers().Canonicalize(current)
        note(TAUTOMER)
    Chem.AssignStereochemistry(current, cleanIt=True, force=True)
    return Standardised(current, tuple(changes))


@lru_cache(maxsize=1)
def _metals() -> rdMolStandardize.MetalDisconnector:
    return rdMolStandardize.MetalDisconnector()


@lru_cache(maxsize=1)
def _normaliser() -> rdMolStandardize.Normalizer:
    return rdMolStandardize.Normalizer()


@lru_cache(maxsize=1)
def _reioniser() -> rdMolStandardize.Reionizer:
    return rdMolStandardize.Reionizer()


@lru_cache(maxsize=1)
def _largest() -> rdMolStandardize.LargestFragmentChooser:
    return rdMolStandardize.LargestFragmentChooser(preferOrganic=True)


@lru_cache(maxsize=1)
def _uncharger() -> rdMolStandardize.Uncharger:
    return rdMolStandardize.Uncharger(canonicalOrder=True)


@lru_cache(maxsize=1)
def _tautomers() -> rdMolStandardize.TautomerEnumerator:
    # Bounded so that one polyphenol cannot hold the app: RDKit's own defaults are 1,000 each.
    params: Any = rdMolStandardize.CleanupParameters()
    params.maxTautomers = 200
    params.maxTransforms = 200
    return rdMolStandardize.TautomerEnumerator(params)
