"""Identifiers, descriptors and drug-likeness rules, each with the value behind it.

log P is the Wildman–Crippen estimate and H-bond counts are Lipinski's throughout, whichever
estimate a rule's paper used: figures at a limit may fall on the other side there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from rdkit import Chem, rdBase
from rdkit.Chem import QED, Descriptors, inchi, rdMolDescriptors
from rdkit.Chem.FilterCatalog import FilterCatalog, FilterCatalogParams
from rdkit.Chem.Scaffolds import MurckoScaffold


@dataclass(frozen=True)
class Identifiers:
    """What the molecule is called by machines; InChI and its key are empty where none exists."""

    smiles: str
    formula: str
    inchi: str
    inchikey: str
    scaffold: str


def identifiers(mol: Chem.Mol) -> Identifiers:
    """Canonical SMILES, Hill formula, InChI, InChIKey and Bemis–Murcko scaffold."""
    with rdBase.BlockLogs():
        code = inchi.MolToInchi(mol) or ""
        key = inchi.InchiToInchiKey(code) if code else ""
        scaffold = Chem.MolToSmiles(MurckoScaffold.GetScaffoldForMol(mol))
    return Identifiers(
        smiles=Chem.MolToSmiles(mol),
        formula=rdMolDescriptors.CalcMolFormula(mol),
        inchi=code,
        inchikey=key or "",
        scaffold=scaffold,
    )


def _average_mass(mol: Chem.Mol) -> float:
    return float(getattr(Descriptors, "MolWt")(mol))  # noqa: B009 - made at import, unknown to mypy


def _log_p(mol: Chem.Mol) -> float:
    return float(rdMolDescriptors.CalcCrippenDescriptors(mol)[0])


def _refractivity(mol: Chem.Mol) -> float:
    return float(rdMolDescriptors.CalcCrippenDescriptors(mol)[1])


def _stereo_centres(mol: Chem.Mol) -> float:
    with rdBase.BlockLogs():
        centres = Chem.FindMolChiralCenters(
            mol, includeUnassigned=True, useLegacyImplementation=False
        )
    return float(len(centres))


@dataclass(frozen=True)
class Descriptor:
    """One figure of a molecule, with its unit and what it is."""

    name: str
    label: str
    unit: str
    help: str
    compute: Callable[[Chem.Mol], float]
    decimals: int = 0


DESCRIPTORS: tuple[Descriptor, ...] = (
    Descriptor("mw", "Molecular weight", "g/mol", "Average mass.", _average_mass, 1),
    Descriptor(
        "exact_mass",
        "Monoisotopic mass",
        "Da",
        "Mass of the commonest isotopes.",
        rdMolDescriptors.CalcExactMolWt,
        4,
    ),
    Descriptor("logp", "log P", "", "Octanol–water partition, Wildman & Crippen 1999.", _log_p, 2),
    Descriptor("mr", "Molar refractivity", "cm³/mol", "Wildman & Crippen 1999.", _refractivity, 1),
    Descriptor(
        "tpsa",
        "Polar surface",
        "Å²",
        "Topological polar surface area of N and O, Ertl 2000.",
        rdMolDescriptors.CalcTPSA,
        1,
    ),
    Descriptor("hbd", "H-bond donors", "", "N–H and O–H groups.", rdMolDescriptors.CalcNumHBD),
    Descriptor("hba", "H-bond acceptors", "", "N and O that accept.", rdMolDescriptors.CalcNumHBA),
    Descriptor(
        "rotatable",
        "Rotatable bonds",
        "",
        "Single bonds outside rings, amides excepted.",
        rdMolDescriptors.CalcNumRotatableBonds,
    ),
    Descriptor(
        "rings", "Rings", "", "Smallest set of smallest rings.", rdMolDescriptors.CalcNumRings
    ),
    Descriptor(
        "aromatic_rings",
        "Aromatic rings",
        "",
        "Rings whose atoms are all aromatic.",
        rdMolDescriptors.CalcNumAromaticRings,
    ),
    Descriptor(
        "fsp3", "Fraction of sp³ carbon", "", "Lovering 2009.", rdMolDescriptors.CalcFractionCSP3, 2
    ),
    Descriptor(
        "heavy_atoms", "Heavy atoms", "", "Atoms other than hydrogen.", Chem.Mol.GetNumHeavyAtoms
    ),
    Descriptor(
        "stereo_centres",
        "Stereo centres",
        "",
        "Assigned and unassigned.",
        _stereo_centres,
    ),
    Descriptor("charge", "Formal charge", "e", "Sum over the atoms.", Chem.GetFormalCharge),
    Descriptor("qed", "QED", "", "Weighted drug-likeness from 0 to 1, Bickerton 2012.", QED.qed, 2),
)


def descriptors(mol: Chem.Mol) -> dict[str, float]:
    """Value of every descriptor in :data:`DESCRIPTORS`, by its ``name``."""
    return {d.name: float(d.compute(mol)) for d in DESCRIPTORS}


@dataclass(frozen=True)
class Criterion:
    """One condition of a rule and the value that meets it or does not."""

    label: str
    value: float
    low: float | None
    high: float | None
    decimals: int = 0

    @property
    def met(self) -> bool:
        """Whether the value lies within the limits, which are inclusive."""
        return (self.low is None or self.value >= self.low) and (
            self.high is None or self.value <= self.high
        )

    @property
    def limits(self) -> str:
        """The limits in words: ``"≤ 5"``, ``"160 to 480"``."""
        if self.low is None:
            return f"≤ {self.high:g}"
        if self.high is None:
            return f"≥ {self.low:g}"
        return f"{self.low:g} to {self.high:g}"


@dataclass(frozen=True)
class Rule:
    """A drug-likeness rule applied to one molecule.

    Attributes
    ----------
    allowed
        Violations that the rule still passes.
    """

    name: str
    source: str
    doi: str
    criteria: tuple[Criterion, ...]
    allowed: int = 0

    @property
    def violations(self) -> int:
        """Criteria that are not met."""
        return sum(not criterion.met for criterion in self.criteria)

    @property
    def passed(self) -> bool:
        """Whether no more than the allowed violations occur."""
        return self.violations <= self.allowed


def rules(mol: Chem.Mol) -> list[Rule]:
    """Lipinski, Veber, Ghose, Egan and Muegge, in that order."""
    d = descriptors(mol)
    n_oh_nh = float(rdMolDescriptors.CalcNumLipinskiHBD(mol))
    n_o_n = float(rdMolDescriptors.CalcNumLipinskiHBA(mol))
    carbons = sum(atom.GetAtomicNum() == 6 for atom in mol.GetAtoms())
    hetero = sum(atom.GetAtomicNum() not in (0, 1, 6) for atom in mol.GetAtoms())
    n_atoms = float(Chem.AddHs(mol).GetNumAtoms())

    def c(
        label: str, value: float, low: float | None, high: float | None, decimals: int = 0
    ) -> Criterion:
        return Criterion(label, value, low, high, decimals)

    return [
        Rule(
            "Lipinski",
            "Lipinski et al. 1997; one violation is allowed",
            "10.1016/S0169-409X(96)00423-1",
            (
                c("Molecular weight", d["mw"], None, 500, 1),
                c("log P", d["logp"], None, 5, 2),
                c("N–H and O–H", n_oh_nh, None, 5),
                c("N and O", n_o_n, None, 10),
            ),
            allowed=1,
        ),
        Rule(
            "Veber",
            "Veber et al. 2002",
            "10.1021/jm020017n",
            (
                c("Rotatable bonds", d["rotatable"], None, 10),
                c("Polar surface", d["tpsa"], None, 140, 1),
            ),
        ),
        Rule(
            "Ghose",
            "Ghose et al. 1999, qualifying range",
            "10.1021/cc9800071",
            (
                c("Molecular weight", d["mw"], 160, 480, 1),
                c("log P", d["logp"], -0.4, 5.6, 2),
                c("Molar refractivity", d["mr"], 40, 130, 1),
                c("Atoms with hydrogens", n_atoms, 20, 70),
            ),
        ),
        Rule(
            "Egan",
            "Egan et al. 2000",
            "10.1021/jm000292e",
            (
                c("Polar surface", d["tpsa"], None, 131.6, 1),
                c("log P", d["logp"], None, 5.88, 2),
            ),
        ),
        Rule(
            "Muegge",
            "Muegge et al. 2001",
            "10.1021/jm015507e",
            (
                c("Molecular weight", d["mw"], 200, 600, 1),
                c("log P", d["logp"], -2, 5, 2),
                c("Polar surface", d["tpsa"], None, 150, 1),
                c("Rings", d["rings"], None, 7),
                c("Carbon atoms", float(carbons), 5, None),
                c("Heteroatoms", float(hetero), 2, None),
                c("Rotatable bonds", d["rotatable"], None, 15),
                c("H-bond acceptors", d["hba"], None, 10),
                c("H-bond donors", d["hbd"], None, 5),
            ),
        ),
    ]


@dataclass(frozen=True)
class Alert:
    """A substructure that medicinal chemists avoid, and where it is."""

    catalog: str
    name: str
    atoms: tuple[int, ...]


#: Catalogue → its source.
CATALOGS = {
    "PAINS": "Baell & Holloway 2010: frequent hitters in assays",
    "Brenk": "Brenk et al. 2008: unstable, reactive or toxic groups",
}


def alerts(mol: Chem.Mol) -> list[Alert]:
    """Every PAINS and Brenk pattern that the molecule holds, with its atoms."""
    found = []
    for name in CATALOGS:
        for match in _catalog(name).GetMatches(mol):
            for part in match.GetFilterMatches(mol):
                atoms = tuple(sorted({own for _, own in part.atomPairs}))
                label = match.GetDescription().replace("_", " ")
                found.append(Alert(name, label, atoms))
    return list(dict.fromkeys(found))


@lru_cache(maxsize=2)
def _catalog(name: str) -> FilterCatalog:
    params = FilterCatalogParams()
    kinds = FilterCatalogParams.FilterCatalogs
    params.AddCatalog(kinds.PAINS if name == "PAINS" else kinds.BRENK)
    return FilterCatalog(params)


def qed_parts(mol: Chem.Mol) -> dict[str, float]:
    """The eight properties behind QED (Bickerton et al., *Nat. Chem.* 4, 90 (2012))."""
    parts = QED.properties(mol)
    return {name: float(value) for name, value in parts._asdict().items()}
