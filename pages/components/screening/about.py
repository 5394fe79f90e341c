"""What the screen was asked, how its genes were found, and how the numbers were made."""

from __future__ import annotations

import streamlit as st

from core.studies.screening.config import Kind
from pages.components.command import command_line
from pages.components.screening.launch import STUDY
from pages.components.screening.opened import Screen
from pages.components.text import plain

_SCORES = {
    "weighted": "weighted connectivity: half the difference of the running-sum enrichment scores "
    "of the up and the down genes in the ranked response, 0 where both have the same sign "
    "([Subramanian et al. 2017](https://doi.org/10.1016/j.cell.2017.10.049))",
    "cosine": "the cosine between the response and the weighted signature",
    "spearman": "Spearman's correlation between response and signature over the signature's genes",
}


def draw(screen: Screen) -> None:
    """Definitions, genes, run facts and the command line."""
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.markdown(_definitions(screen))
        with st.expander("The same on the command line", icon=":material/terminal:"):
            st.code(command_line(STUDY, screen.config), language="bash", wrap_lines=True)
        numbers = screen.summary
        st.caption(
            f"{numbers.get('molecules_per_second', 0):,.0f} molecules a second, at most "
            f"{numbers.get('peak_memory_mb', 0):,.0f} MB in one process; "
            f"{int(numbers.get('chunks_resumed', 0))} of {int(numbers.get('chunks', 0))} chunks "
            "were kept from an earlier attempt."
        )
    with right:
        genes = screen.genes
        counts = genes["status"].value_counts()
        words = ", ".join(f"{n} {status}" for status, n in counts.items())
        st.markdown(f"**Genes of the objective**: {plain(words)}.")
        st.dataframe(
            genes,
            hide_index=True,
            key="screen-about-genes",
            height=min(38 + 35 * len(genes), 420),
            column_config={"given": "Given", "gene": "In the model", "status": "Status"},
        )


def _definitions(screen: Screen) -> str:
    config = screen.config
    objective = config.objective
    if objective.kind is Kind.GENES:
        what = f"the mean predicted response of the genes, in {plain(screen.target)}"
        turned = objective.direction == "lower"
    else:
        what = _SCORES[str(objective.score)]
        turned = objective.direction == "reverse"
    lines = [
        f"- **Score**: {what}{', with its sign turned' if turned else ''}, averaged over the cell "
        "types; a higher one is better.",
        "- **± models**: weighted standard deviation of that score over the ensemble's models. It "
        "says how far they agree, not how far they are right.",
        f"- **p**: the share of {config.n_permutations:,} random signatures of the same size and "
        "weights that score at least as high on the same predicted response, never 0 "
        "([Phipson & Smyth 2010](https://doi.org/10.2202/1544-6115.1585)); **FDR**: Benjamini–"
        "Hochberg over all ranked molecules. Both judge the prediction, not the drug.",
        f"- **Chemistry**: within, where the nearest training compound has a Tanimoto similarity "
        f"of at least {config.domain_similarity:g} (Morgan fingerprint, radius 2, 2,048 bits).",
        "- **Structures** are standardised as ChEMBL does it "
        "([Bento et al. 2020](https://doi.org/10.1186/s13321-020-00456-1)): largest parent, "
        "neutral form"
        + (", canonical tautomer" if config.standardise.canonical_tautomer else "")
        + "; equal ones are merged.",
    ]
    return "\n".join(lines)
