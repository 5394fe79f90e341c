"""What was done, and the integrated cells as files."""

from __future__ import annotations

from functools import partial

import streamlit as st

from core.studies.integration.export import h5ad_bytes, script
from core.studies.integration.result import IntegrationResult
from pages._integration_view import STUDY, View
from pages.components.command import command_line
from pages.components.text import plain


def downloads(view: View) -> None:
    """AnnData, scores, script and command line; what every method got."""
    for run_id, result in view.results.items():
        record = view.records[run_id]
        if len(view.results) > 1:
            st.subheader(plain(record.name))
        left, right = st.columns([3, 2], gap="large")
        with left:
            st.markdown("**What every method got**")
            facts = result.facts
            lines = [
                f"- {facts['n_cells']:,} cells × {facts['n_genes']:,} genes of "
                f"{plain(facts['label'])}; batches: {plain(', '.join(facts['batches'][:8]))}"
                + (" …" if len(facts["batches"]) > 8 else ""),
                *(f"- {plain(step)}" for step in facts["steps"]),
            ]
            st.markdown("\n".join(lines))
            notes = [(m.label, n) for m in result.methods.values() for n in m.notes]
            if notes:
                st.markdown("**What methods chose or left out**")
                st.markdown("\n".join(f"- {plain(m)}: {plain(n)}" for m, n in notes))
            with st.expander("The same on the command line", icon=":material/terminal:"):
                st.code(command_line(STUDY, result.config), language="bash", wrap_lines=True)
        with right, st.container(border=True):
            st.markdown("**Files**")
            keys = {m.key: m.label for m in result.methods.values()}
            chosen = st.multiselect(
                "Methods in the AnnData",
                list(keys),
                default=list(keys),
                format_func=keys.__getitem__,
                key=f"export-{run_id}",
            )
            st.download_button(
                "Integrated cells (h5ad)",
                data=partial(h5ad_bytes, result, tuple(chosen)),
                file_name=f"{view.name('integrated')}.h5ad",
                mime="application/octet-stream",
                on_click="ignore",
                icon=":material/download:",
                key=f"h5ad-{run_id}",
                disabled=not chosen,
            )
            st.caption(
                "Opens in scanpy: obsm X\\_… and X\\_umap\\_…, obs leiden\\_…, layers corrected\\_… "
                "and counts."
            )
            with st.container(horizontal=True):
                st.download_button(
                    "Scores (CSV)",
                    data=partial(_csv, result),
                    file_name=f"{view.name('scores')}.csv",
                    mime="text/csv",
                    on_click="ignore",
                    key=f"csv-{run_id}",
                )
                st.download_button(
                    "Script (Python)",
                    data=partial(_script, result),
                    file_name=f"{view.name('again')}.py",
                    mime="text/x-python",
                    on_click="ignore",
                    key=f"script-{run_id}",
                )


def _csv(result: IntegrationResult) -> bytes:
    return result.scores.to_csv(index=False).encode()


def _script(result: IntegrationResult) -> bytes:
    return script(result).encode()
