"""The error boundary of every page and section."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from core.errors import PerturbScopeError
from pages.components.text import plain

logger = logging.getLogger("perturbscope.pages")


@contextmanager
def guard() -> Iterator[None]:
    """Show what goes wrong inside as one sentence; the page around it goes on.

    A :class:`PerturbScopeError` is the user's to read and shows its own sentence. Anything else
    is a bug: its traceback goes to the log, the page says only that it happened. Streamlit's own
    stop and rerun signals pass.
    """
    try:
        yield
    except PerturbScopeError as error:
        st.error(plain(error), icon=":material/error:")
    except Exception:
        logger.exception("A page failed")
        st.error(
            "This part could not be drawn because of a fault in PerturbScope; "
            "the server's log has the details.",
            icon=":material/bug_report:",
        )
