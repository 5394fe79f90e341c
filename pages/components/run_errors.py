"""Which pairs carry the error of the selected runs."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core.plots.comparison import error_against_strength, error_distribution
from core.runs import RunRecord
from core.studies.perturbation.grouping import CHOSEN, worst_rows
from pages.components import figure
from pages.components.run_results import choose_series, choose_split, colours, finished, rows


def errors(records: Sequence[RunRecord]) -> None:
    """Distribution of row errors, error against strength, and the worst pairs."""
    done = finished(records)
    if not done:
        return
    frame = rows(done)
    split = choose_split(frame, "pairs")
    inside = choose_series(frame[frame["split"] == split], "errors-series")
    if inside.empty:
        st.info("Choose at least one model.")
        return
    palette = figure.colours()
    shades = colours(inside, palette)
    left, right = st.columns(2)
    columns = ["series", "cell_type", "sm_name", "rms", "rmse"]
    with left:
        st.markdown("##### How row errors are spread")
        figure.show(
            error_distribution(
                inside,
                palette,
                colours=shades,
                dashed=set(inside.loc[inside["kind"] != CHOSEN, "series"]),
            ),
            key="runs-error-spread",
            data=inside[columns],
            name=f"row-errors-{split}",
        )
        st.caption("Share of pairs with at most this error; ◆ is the mean, that is the MRRMSE.")
    with right:
        st.markdown("##### Error against strength of the response")
        figure.show(
            error_against_strength(inside, palette, colours=shades),
            key="runs-error-strength",
            data=inside[columns],
            name=f"error-strength-{split}",
        )
        st.caption("On the dashed line a model does no better than predicting zero.")
    st.markdown("##### Pairs of largest error")
    table = worst_rows(inside)
    numbers = {
        name: st.column_config.NumberColumn(name, format="%.3f")
        for name in table.columns
        if name not in {"row", "cell_type", "sm_name"}
    }
    st.dataframe(
        table.drop(columns="row"),
        hide_index=True,
        key="runs-worst",
        column_config={"cell_type": "Cell type", "sm_name": "Compound", **numbers},
    )
    total = inside.groupby("series", sort=False)["rmse"].apply(
        lambda e: e.nlargest(max(1, len(e) // 20)).sum() / e.sum()
    )
    words = "; ".join(f"{name} {share:.0%}" for name, share in total.items())
    st.caption(f"Share of the summed error in the worst 5 % of pairs: {words}.")
