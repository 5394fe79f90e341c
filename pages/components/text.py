"""Words from data and users, shown as they are."""

from __future__ import annotations

import re

_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>()#+\-.!|~$:&])")


def plain(text: object) -> str:
    """``text`` escaped so that Streamlit's Markdown shows it letter by letter.

    Compound names and file names come from strangers: neither HTML nor links, images, colours
    or formulas in them may be interpreted.
    """
    return _MARKDOWN.sub(r"\\\1", " ".join(str(text).split()))
