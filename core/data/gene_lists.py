"""Named lists of genes, kept in the workspace for every panel: JSON, one file a list.

Landmark selection saves its sets here, users upload theirs, and the prediction study takes one as
its input genes.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from core.data.facts import landmark_genes
from core.data.signatures import parse_gene_list
from core.errors import DataError
from core.settings import Settings, get_settings

FORMAT = 1
MAX_NAME = 80
#: The list that is always there.
L1000 = "L1000"


@dataclass(frozen=True)
class GeneList:
    """A named list.

    Attributes
    ----------
    name
        Unique in the workspace.
    genes
        Symbols, most important first, each once.
    source
        Where it comes from, in words.
    dataset
        Id of the data set that it was learned on; empty for lists from elsewhere.
    created
        ISO time, UTC; empty for the list that is always there.
    """

    name: str
    genes: tuple[str, ...]
    source: str = ""
    dataset: str = ""
    created: str = ""

    def __len__(self) -> int:
        return len(self.genes)


def l1000() -> GeneList:
    """The 978 L1000 landmark genes by their symbols of 2017 (Subramanian et al., *Cell* 2017)."""
    symbols = tuple(landmark_genes()["gene_symbol"].astype(str))
    return GeneList(L1000, symbols, "Subramanian et al., Cell 2017: the LINCS L1000 landmarks")


def _folder(settings: Settings) -> Path:
    return settings.workspace / "gene_lists"


def _path(name: str, settings: Settings) -> Path:
    # Names are people's: the file is called by a digest, so that no name reaches the file system.
    return _folder(settings) / f"{hashlib.sha256(name.encode()).hexdigest()[:24]}.json"


def check_name(name: str) -> str:
    """``name`` without needless blanks.

    Raises
    ------
    DataError
        If it is empty, too long, not printable, or taken by the list that is always there.
    """
    tidy = " ".join(str(name).split())
    if not tidy:
        raise DataError("A gene list needs a name.")
    if len(tidy) > MAX_NAME or not tidy.isprintable():
        raise DataError(f"A gene list's name has at most {MAX_NAME} printable characters.")
    if tidy == L1000:
        raise DataError(f"'{L1000}' is the list that is always there: choose another name.")
    return tidy


def save_gene_list(
    name: str,
    genes: Iterable[str],
    *,
    source: str = "",
    dataset: str = "",
    replace: bool = False,
    settings: Settings | None = None,
) -> GeneList:
    """Save ``genes`` under ``name``.

    Raises
    ------
    DataError
        Where the name is unusable or taken, a word is no gene symbol, or the list is empty.
    """
    settings = settings or get_settings()
    tidy = check_name(name)
    symbols = parse_gene_list("\n".join(map(str, genes)))
    if not symbols:
        raise DataError(f"The gene list '{tidy}' would hold no gene.")
    path = _path(tidy, settings)
    if path.exists() and not replace:
        raise DataError(f"There is a gene list '{tidy}' already: choose another name.")
    created = datetime.now(UTC).isoformat(timespec="microseconds")
    saved = GeneList(tidy, symbols, source, dataset, created)
    content = {"format": FORMAT, **vars(saved), "genes": list(symbols)}
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.stem}-{uuid.uuid4().hex[:8]}")
    draft.write_text(json.dumps(content, indent=1), encoding="utf-8")
    draft.replace(path)
    return saved


def list_gene_lists(settings: Settings | None = None) -> list[GeneList]:
    """L1000 first, then the saved lists, oldest first; damaged files are left out."""
    folder = _folder(settings or get_settings())
    found = [_read(path) for path in folder.glob("[!.]*.json")] if folder.is_dir() else []
    saved = sorted((f for f in found if f is not None), key=lambda f: (f.created, f.name))
    return [l1000(), *saved]


def load_gene_list(name: str, settings: Settings | None = None) -> GeneList:
    """The list called ``name``; ``"L1000"`` is always there.

    Raises
    ------
    DataError
        Where there is none of that name, or its file is damaged.
    """
    if name == L1000:
        return l1000()
    path = _path(name, settings or get_settings())
    if not path.exists():
        raise DataError(f"There is no gene list called '{name}' in this workspace.")
    found = _read(path)
    if found is None:
        raise DataError(f"The gene list '{name}' is damaged: delete it and save it again.")
    return found


def delete_gene_list(name: str, settings: Settings | None = None) -> None:
    """Delete a saved list.

    Raises
    ------
    DataError
        Where there is none of that name, or it is the one that is always there.
    """
    path = _path(check_name(name), settings or get_settings())
    if not path.exists():
        raise DataError(f"There is no gene list called '{name}' in this workspace.")
    path.unlink()


def _read(path: Path) -> GeneList | None:
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT or not content["genes"]:
            return None
        words = {key: str(content[key]) for key in ("name", "source", "dataset", "created")}
        return GeneList(genes=tuple(map(str, content["genes"])), **words)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def gmt_text(lists: Iterable[GeneList]) -> str:
    """Lists as GMT: name, source and genes, separated by tabs."""
    lines = []
    for found in lists:
        words = [found.name, found.source or "-", *found.genes]
        lines.append("\t".join(" ".join(word.split()) for word in words))
    return "\n".join(lines) + "\n"
