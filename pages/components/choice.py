"""Select boxes whose choice is in the URL and outlives a change of what can be chosen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st


def select(
    label: str,
    options: Sequence[str],
    *,
    key: str,
    default: str | None = None,
    format_func: Callable[[str], str] = str,
    help: str | None = None,
    **more: Any,
) -> str:
    """A select box in the URL under ``key``.

    A choice that is no option any more (another data set, an old link) gives way to the default,
    instead of an error. The address always names the choice: a default is else left out of it,
    and a colleague's default may be another one.
    """
    first = default if default in options else options[0]
    wanted = st.session_state.get(key, st.query_params.get(key))
    if wanted not in options:
        st.session_state[key] = first
    elif key not in st.session_state:
        st.session_state[key] = str(wanted)
    chosen = st.selectbox(label, list(options), key=key, format_func=format_func, help=help, **more)
    if st.query_params.get(key) != str(chosen):
        st.query_params[key] = str(chosen)
    return str(chosen)


def segments(
    label: str, options: Sequence[str], *, key: str, default: str | None = None, **more: Any
) -> str:
    """As :func:`select`, with all options side by side."""
    first = default if default in options else options[0]
    wanted = st.session_state.get(key, st.query_params.get(key))
    if wanted not in options:
        st.session_state[key] = first
    elif key not in st.session_state:
        st.session_state[key] = str(wanted)
    chosen = st.segmented_control(label, list(options), key=key, required=True, **more) or first
    if st.query_params.get(key) != str(chosen):
        st.query_params[key] = str(chosen)
    return str(chosen)
