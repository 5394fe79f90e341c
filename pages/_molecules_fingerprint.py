"""Sections: the Morgan fingerprint bit by bit, and random SMILES of the molecule."""

from __future__ import annotations

import pandas as pd
import streamlit as st
from rdkit import Chem

from core.molecules.depict import HIGHLIGHTS, Highlight
from core.molecules.morgan_bits import Bit, set_bits
from core.molecules.random_smiles import invariant, variants
from core.plots import molecules as figures
from pages import _molecules_view as views
from pages._molecules_view import Chosen, Shelf
from pages.components import figure
from pages.components.guard import guard
from pages.components.text import plain

COLUMNS = 5
CARDS = 20


def draw(view: Shelf, chosen: Chosen) -> None:
    """The section of the fingerprint."""
    st.markdown(
        "Every atom's surroundings, ring by ring of bonds, hashed into a fixed number of bits "
        "([Rogers & Hahn 2010](https://doi.org/10.1021/ci100050t)). Two different environments on "
        "one bit are a collision: a model cannot tell them apart."
    )
    left, middle, right = st.columns([1, 1, 3], vertical_alignment="bottom")
    radius = left.slider("Radius", 0, 4, 2, key="radius", help="2 is ECFP4, 3 is ECFP6.")
    size = middle.select_slider("Bits", [128, 256, 512, 1024, 2048, 4096], 2048, key="bits")
    bits = set_bits(chosen.mol, radius=radius, size=size)
    clashes = [bit for bit in bits if bit.collision]
    shared = views.shared(view, radius, size)
    ambiguous = sum(int(shared[bit.index]) > 1 for bit in bits) if shared is not None else None
    with right:
        a, b, c = st.columns(3)
        a.metric("Bits set", f"{len(bits):,} of {size:,}")
        b.metric("Collisions in the molecule", len(clashes))
        if ambiguous is not None:
            c.metric(
                "Ambiguous over the data",
                f"{ambiguous:,}",
                help="Set bits that stand for more than one environment among all compounds.",
            )
    figure.show(
        figures.bit_map(
            size, [b.index for b in bits], [b.index for b in clashes], palette=view.palette
        ),
        key="bit-map",
        data=_table(bits),
        name=f"Morgan bits of {chosen.name or 'molecule'}",
        alt="Map of the fingerprint's bits: unset, set, set by several environments",
    )
    with guard():
        _cards(view, chosen, bits, clashes)


def _table(bits: list[Bit]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "bit": bit.index,
                "radius": environment.radius,
                "environment": environment.smiles,
                "occurrences": len(environment.centres),
                "identifier": environment.identifier,
                "collision": bit.collision,
            }
            for bit in bits
            for environment in bit.environments
        ],
        columns=["bit", "radius", "environment", "occurrences", "identifier", "collision"],
    )


@st.fragment
@guard()
def _cards(view: Shelf, chosen: Chosen, bits: list[Bit], clashes: list[Bit]) -> None:
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    only = left.toggle("Only collisions", key="only-collisions", disabled=not clashes)
    shown = [(b, e) for b in (clashes if only and clashes else bits) for e in b.environments]
    n_pages = max(1, -(-len(shown) // CARDS))
    page = 1
    if n_pages > 1:
        page = int(right.number_input(f"Page (of {n_pages})", 1, n_pages, key="bits-page"))
    some = shown[(page - 1) * CARDS : page * CARDS]
    for start in range(0, len(some), COLUMNS):
        cells = st.columns(COLUMNS)
        for cell, (bit, environment) in zip(cells, some[start : start + COLUMNS], strict=False):
            with cell, st.container(border=True, height="stretch"):
                parts = (
                    Highlight((environment.centres[0],), (), HIGHLIGHTS[0]),
                    Highlight(environment.atoms, environment.bonds, HIGHLIGHTS[1]),
                )
                st.image(
                    views.drawing(chosen.mol, size=(240, 150), highlights=parts, dark=view.dark),
                    width="stretch",
                    alt=f"Environment of bit {bit.index}",
                )
                clash = " :orange-badge[collision]" if bit.collision else ""
                st.markdown(
                    f"**{bit.index}** · radius {environment.radius} · "
                    f"×{len(environment.centres)}{clash}"
                )
                if st.button(
                    plain(environment.smiles),
                    key=f"bit-{bit.index}-{environment.identifier}",
                    type="tertiary",
                    help="Highlight in 2D and 3D",
                ):
                    views.highlight(chosen, f"Morgan bit {bit.index}", environment.atoms)
                    st.rerun()


def draw_smiles(view: Shelf, chosen: Chosen) -> None:
    """The section of random SMILES."""
    st.markdown(
        "One molecule has many SMILES: the atoms may be written in any order. Training a sequence "
        "model on random ones is an augmentation ([Arús-Pous et al. 2019]"
        "(https://doi.org/10.1186/s13321-019-0393-0)). Each is read back here; its canonical form "
        "and its fingerprint must stay the same."
    )
    left, middle, _ = st.columns([1, 1, 3], vertical_alignment="bottom")
    n = int(left.number_input("How many", 1, 200, 10, key="n-random"))
    seed = int(middle.number_input("Seed", 0, 10_000, 0, key="seed-random"))
    found = variants(chosen.mol, n, seed=seed)
    if invariant(found):
        st.markdown(
            f":green-badge[:material/check: {len(found)} distinct SMILES, one structure, "
            "one fingerprint]"
        )
    else:
        different = sum(not v.same_structure or v.tanimoto < 1 for v in found)
        st.markdown(
            f":orange-badge[:material/warning: {different} of {len(found)} do not come back the "
            "same: their stereochemistry or aromaticity is written in a way that RDKit reads "
            "differently]"
        )
    st.caption(f"Canonical: `{Chem.MolToSmiles(chosen.mol)}`")
    st.dataframe(
        pd.DataFrame(
            {
                "Random SMILES": [v.smiles for v in found],
                "Same canonical form": [v.same_structure for v in found],
                "Tanimoto of fingerprints": [v.tanimoto for v in found],
                "Length": [len(v.smiles) for v in found],
            }
        ),
        hide_index=True,
        column_config={
            "Random SMILES": st.column_config.TextColumn(width="large"),
            "Tanimoto of fingerprints": st.column_config.NumberColumn(format="%.3f"),
        },
    )
