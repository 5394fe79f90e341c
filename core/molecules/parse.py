"""From text to one RDKit molecule, or one sentence that says why not.

Text comes from users and files and is hostile until proven otherwise: names and CXSMILES
extensions are never handed to RDKit (they would travel as properties into mol blocks), lengths
are bounded before parsing, and RDKit's own messages are turned into one plain sentence.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from rdkit import Chem, rdBase

from core.errors import DataError

#: Longest SMILES or InChI that is read; a 500-atom molecule is well under it.
MAX_CHARACTERS = 8_000
#: Most heavy atoms; beyond it, drawings are unreadable and conformers out of reach.
MAX_ATOMS = 1_000
#: Deepest nesting of branches: RDKit's parser recurses, and the stack is finite.
MAX_DEPTH = 200
#: How much of the user's text an error message repeats.
QUOTED = 40

#: Atomic numbers of non-metals (with B, Si, Ge, As, Se, Te, At and the noble gases).
NON_METALS = frozenset(
    [1, 2, 5, 6, 7, 8, 9, 10, 14, 15, 16, 17, 18, 32, 33, 34, 35, 36, 52, 53, 54, 85, 86]
)

_PARAMS: Any = Chem.SmilesParserParams()
_PARAMS.parseName = False
_PARAMS.allowCXSMILES = False
_RAW: Any = Chem.SmilesParserParams()
_RAW.parseName = False
_RAW.allowCXSMILES = False
_RAW.sanitize = False
_RAW.removeHs = False
_RING_CLOSURE = re.compile(r"\[[^\]]*\]|%\d\d|%\(\d+\)|\d")


class MoleculeError(DataError):
    """A molecule cannot be read, or cannot be used for what was asked of it."""


@dataclass(frozen=True)
class Parsed:
    """One line of input: its molecule, or the reason why there is none.

    Attributes
    ----------
    text
        The SMILES or InChI as given, without its name.
    name
        What followed it on the line, stripped of control characters; may be empty.
    mol
        The sanitised molecule, or None.
    reason
        One sentence where ``mol`` is None, else empty.
    """

    text: str
    name: str
    mol: Chem.Mol | None
    reason: str = ""


def split_name(line: str) -> tuple[str, str]:
    """Split ``"SMILES name"`` at the first white space; control characters become spaces."""
    parts = line.strip().split(None, 1)
    if not parts:
        return "", ""
    name = parts[1] if len(parts) > 1 else ""
    return parts[0], clean_name(name)


def clean_name(name: str, limit: int = 200) -> str:
    """A name on one line, without control characters, at most ``limit`` characters."""
    if not name.isprintable():
        name = "".join(c if c.isprintable() else " " for c in name)
    return " ".join(name.split())[:limit]


def quote(text: str) -> str:
    """``text`` in quotes for a message: one line, no control characters, cut at 40 characters."""
    short = clean_name(text, QUOTED + 1)
    return f"'{short[:QUOTED]}…'" if len(short) > QUOTED else f"'{short}'"


def parse(text: str) -> Chem.Mol:
    """Read one SMILES or InChI; a name after white space is allowed and ignored.

    Returns
    -------
    Chem.Mol
        Sanitised, without explicit hydrogens and without any property or name.

    Raises
    ------
    MoleculeError
        With one sentence that says what is wrong.
    """
    parsed = parse_line(text)
    if parsed.mol is None:
        raise MoleculeError(parsed.reason)
    return parsed.mol


def parse_line(line: str) -> Parsed:
    """Read one line ``"SMILES [name]"`` or ``"InChI=… [name]"``; never raises for bad chemistry."""
    text, name = split_name(line[: 4 * MAX_CHARACTERS])
    reason = _refusal(text)
    if reason:
        return Parsed(text, name, None, reason)
    with rdBase.BlockLogs():
        if text.startswith("InChI="):
            mol = Chem.MolFromInchi(text)
            reason = "" if mol else f"The InChI {quote(text)} cannot be read."
        else:
            mol = Chem.MolFromSmiles(text, _PARAMS)
            reason = "" if mol else _why_not(text)
    if mol is None:
        return Parsed(text, name, None, reason)
    if mol.GetNumHeavyAtoms() == 0:
        return Parsed(text, name, None, f"{quote(text)} holds no atom other than hydrogen.")
    if mol.GetNumHeavyAtoms() > MAX_ATOMS:
        n = mol.GetNumHeavyAtoms()
        reason = f"The molecule has {n:,} heavy atoms; at most {MAX_ATOMS:,} are handled."
        return Parsed(text, name, None, reason)
    return Parsed(text, name, mol)


def _refusal(text: str) -> str:
    """Why ``text`` is not even given to the parser, or an empty string."""
    if not text:
        return "The SMILES is empty."
    if len(text) > MAX_CHARACTERS:
        return f"The SMILES has {len(text):,} characters; at most {MAX_CHARACTERS:,} are read."
    if not text.isascii() or not text.isprintable():
        return f"{quote(text)} holds a character that no SMILES has."
    if text.startswith("InChI="):
        return ""
    if ">" in text:
        return f"{quote(text)} is a reaction; give one molecule."
    if text.count("(") > MAX_DEPTH and (depth := _depth(text)) > MAX_DEPTH:
        return f"The SMILES nests {depth} branches; at most {MAX_DEPTH} are read."
    return ""


def _depth(text: str) -> int:
    """Deepest nesting of parentheses."""
    depth = deepest = 0
    for character in text:
        depth += (character == "(") - (character == ")")
        deepest = max(deepest, depth)
    return deepest


def _why_not(smiles: str) -> str:
    """One sentence on why RDKit refused ``smiles``."""
    raw = Chem.MolFromSmiles(smiles, _RAW)
    if raw is None:
        return f"{quote(smiles)} is not a valid SMILES: {_syntax(smiles)}."
    problems = Chem.DetectChemistryProblems(raw)
    if not problems:
        return f"{quote(smiles)} cannot be read: its stereo bonds or rings contradict each other."
    message = " ".join(problems[0].Message().split()).rstrip(".")
    return f"{quote(smiles)} is not a possible molecule: {_plain(message)}."


def _plain(message: str) -> str:
    """RDKit's sanitisation message in plain words."""
    valence = re.match(
        r"Explicit valence for atom # (\d+) (\w+), (\d+), is greater than permitted", message
    )
    if valence:
        position, symbol, bonds = valence.groups()
        return f"atom {int(position) + 1} ({symbol}) has {bonds} bonds, more than it can"
    if message.startswith("Can't kekulize"):
        return "an aromatic ring has no alternating double bonds (a hydrogen such as [nH] missing?)"
    return message[0].lower() + message[1:]


def _syntax(smiles: str) -> str:
    """The likeliest fault of syntax."""
    if not any(character.isalpha() or character == "*" for character in smiles):
        return "it names no atom"
    for left, right, what in (("(", ")", "parenthesis"), ("[", "]", "bracket")):
        if smiles.count(left) != smiles.count(right):
            return f"a {what} is not closed or not opened"
    open_rings: set[str] = set()
    for token in _RING_CLOSURE.findall(smiles):
        if not token.startswith("["):
            open_rings ^= {token.strip("%()")}
    if open_rings:
        return f"ring {min(open_rings)} is not closed"
    return "the syntax is not that of a SMILES"


def has_metal(mol: Chem.Mol) -> bool:
    """True where an atom is a metal."""
    return any(
        atom.GetAtomicNum() not in NON_METALS for atom in mol.GetAtoms() if atom.GetAtomicNum()
    )


def remarks(mol: Chem.Mol) -> list[str]:
    """What a chemist should know before trusting computed figures: one sentence each."""
    found = []
    if has_metal(mol):
        found.append(
            "Holds a metal: force fields, descriptors and drug-likeness rules were not made for it."
        )
    if any(atom.GetNumRadicalElectrons() for atom in mol.GetAtoms()):
        found.append("Is a radical: an atom has unpaired electrons.")
    if any(atom.GetAtomicNum() == 0 for atom in mol.GetAtoms()):
        found.append("Holds an attachment point or wildcard (*): it is a fragment or a query.")
    if "." in Chem.MolToSmiles(mol):
        n = len(Chem.GetMolFrags(mol))
        found.append(f"Consists of {n} separate parts (a salt or mixture).")
    return found


def to_hex(mol: Chem.Mol) -> str:
    """RDKit's binary form as text, without properties: how molecules travel between processes."""
    return mol.ToBinary(int(Chem.PropertyPickleOptions.NoProps)).hex()


def from_hex(text: str) -> Chem.Mol:
    """The inverse of :func:`to_hex`; only for text that :func:`to_hex` wrote."""
    binary: Any = bytes.fromhex(text)
    return Chem.Mol(binary)
