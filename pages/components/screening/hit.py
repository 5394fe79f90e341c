"""One hit: structure with attribution, 3D, predicted response, enrichment, downloads."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st
from rdkit import Chem

from core.molecules.depict import draw as draw_svg
from core.molecules.parse import parse
from core.plots.export import file_stem
from core.studies.screening.attribution import Attribution, attribute
from core.studies.screening.stream import scorer_of
from pages import _molecules_structure
from pages._molecules_view import Chosen, Shelf
from pages.components import figure
from pages.components.guard import guard
from pages.components.screening import effects, ranking
from pages.components.screening.opened import Screen
from pages.components.text import plain

SIZE = (620, 430)


def draw(screen: Screen, rank: int) -> None:
    """The page of the hit of this rank."""
    found = screen.hits[screen.hits["rank"] == rank]
    if found.empty:
        _buttons(screen, None)
        st.warning(
            f"This page holds {len(screen.hits):,} ranked molecules; there is no rank {rank:,}.",
            icon=":material/link_off:",
        )
        return
    hit = found.iloc[0]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader(f"{rank} · {plain(hit['id'])}", anchor=False, width="stretch")
        _buttons(screen, rank)
    _numbers(hit)
    _words(hit)
    left, right = st.columns(2, gap="medium")
    with left, st.container(border=True, height="stretch"):
        _flat(screen, hit)
    with right, st.container(border=True, height="stretch"), guard():
        chosen = Chosen(parse(str(hit["smiles"])), str(hit["smiles"]), str(hit["id"]), None)
        _molecules_structure.solid(Shelf(None, None, figure.colours()), chosen, ())
    with guard():
        effects.draw(screen, hit, response(screen, hit))


def _buttons(screen: Screen, rank: int | None) -> None:
    with st.container(horizontal=True, width="content"):
        st.button(
            "Back to the ranking",
            icon=":material/arrow_back:",
            key="hit-back",
            on_click=ranking.close_hit,
        )
        if rank is None:
            return
        for title, step, icon in (("Previous", -1, "chevron_left"), ("Next", 1, "chevron_right")):
            st.button(
                title,
                icon=f":material/{icon}:",
                key=f"hit-{title.lower()}",
                disabled=not 1 <= rank + step <= len(screen.hits),
                on_click=ranking.open_hit,
                args=(rank + step,),
            )


def _numbers(hit: pd.Series) -> None:
    numbers = [("Score", f"{hit['score']:.4f}", "Higher is better.")]
    if np.isfinite(hit["spread"]):
        numbers.append(("± models", f"{hit['spread']:.4f}", "Standard deviation over the models."))
    if np.isfinite(hit["p_value"]):
        numbers.append(("p", f"{hit['p_value']:.2g}", "One-sided permutation p-value."))
        numbers.append(("FDR", f"{hit['q_value']:.2g}", "Benjamini–Hochberg."))
    numbers.append(
        ("Similarity", f"{hit['similarity']:.2f}", "Tanimoto to the nearest training compound.")
    )
    with st.container(horizontal=True, gap="large"):
        for title, value, help in numbers:
            st.metric(title, value, help=help, width="content")


def _words(hit: pd.Series) -> None:
    known = str(hit["training_compound"] or "")
    if known:
        st.info(
            f"The model was trained on this compound ({plain(known)}): its response is partly "
            "remembered, not predicted.",
            icon=":material/history_edu:",
        )
    elif hit["in_domain"]:
        st.caption(f"Nearest training compound: {plain(hit['nearest'])}.")
    else:
        st.warning(
            "Outside the training chemistry: the nearest training compound, "
            f"{plain(hit['nearest'])}, has a similarity of only {hit['similarity']:.2f}.",
            icon=":material/explore_off:",
        )
    if int(hit["n_rows"]) > 1:
        st.caption(f"{int(hit['n_rows'])} rows of the input hold this molecule.")


@st.cache_resource(max_entries=64, show_spinner="Masking each fragment …")
def _attribution(key: tuple[str, int], _screen: Screen, _hit: pd.Series) -> Attribution:
    return attribute(
        scorer_of(_screen.result.folder),
        parse(str(_hit["smiles"])),
        str(_hit["training_compound"] or ""),
    )


@st.cache_resource(max_entries=32, show_spinner="Predicting every gene …")
def _response(key: tuple[str, int], _screen: Screen, _hit: pd.Series) -> pd.DataFrame:
    mean, spread = _screen.result.predict_rows(_hit.to_frame().T)
    genes = scorer_of(_screen.result.folder).predictor.genes
    cells = _screen.result.cell_types
    return pd.DataFrame(
        {
            "cell_type": np.repeat(cells, len(genes)),
            "gene": np.tile(np.asarray(genes, dtype=object), len(cells)),
            "response": mean[0].ravel(),
            "spread": spread[0].ravel(),
        }
    )


def response(screen: Screen, hit: pd.Series) -> pd.DataFrame:
    """Predicted response in every cell type: ``cell_type, gene, response, spread``."""
    return _response((screen.id, int(hit["rank"])), screen, hit)


@guard()
def _flat(screen: Screen, hit: pd.Series) -> None:
    st.markdown("**What carries the score**")
    found = _attribution((screen.id, int(hit["rank"])), screen, hit)
    dark = figure.colours().mode == "dark"
    size = {"size": SIZE, "weights": found.atoms.tolist()}
    st.image(
        draw_svg(found.mol, dark=dark, **size),
        width="stretch",
        alt="Structure with the contribution of each fragment",
    )
    st.caption(
        "Blue fragments raise the score, orange ones lower it: the score minus the score with the "
        "fragment masked out of the features (after "
        "[Riniker & Landrum 2013](https://doi.org/10.1186/1758-2946-5-43))."
    )
    table = found.fragments[["smiles", "change"]]
    with st.container(horizontal=True, vertical_alignment="center"):
        with st.popover("Fragments", icon=":material/table:", type="tertiary", key="hit-fragments"):
            st.dataframe(
                table,
                hide_index=True,
                key="hit-fragments-table",
                column_config={
                    "smiles": "Fragment",
                    "change": st.column_config.NumberColumn("Contribution", format="%+.4f"),
                },
            )
        stem = file_stem(hit["id"])
        st.download_button(
            "SVG",
            lambda: draw_svg(found.mol, **size),
            f"{stem}-attribution.svg",
            "image/svg+xml",
            on_click="ignore",
            key="hit-svg",
            icon=":material/download:",
            type="tertiary",
        )
        st.download_button(
            "SMILES",
            f"{Chem.MolToSmiles(found.mol)} {hit['id']}\n",
            f"{stem}.smi",
            "chemical/x-daylight-smiles",
            on_click="ignore",
            key="hit-smi",
            icon=":material/download:",
            type="tertiary",
        )
