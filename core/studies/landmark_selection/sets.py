"""Sets of genes by what people call them: a saved list, a set of a finished selection, a file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from core.data.gene_lists import GeneList, list_gene_lists, load_gene_list
from core.data.signatures import parse_gene_list
from core.errors import DataError
from core.settings import Settings, get_settings
from core.studies.landmark_selection.result import LandmarkSelectionResult
from core.studies.landmarks.data import LandmarkData

#: A text file of symbols is not larger than this.
MOST_BYTES = 2_000_000


def find_set(words: str, settings: Settings | None = None) -> GeneList:
    """The genes that ``words`` mean.

    Parameters
    ----------
    words
        The name of a saved list (``L1000`` is always there), ``RUN:SET`` for a set of a finished
        selection by the run's id, or the path of a text file of symbols.

    Raises
    ------
    DataError
        Where there is no such list or file, or it holds no genes.
    RunError
        Where the run has not finished, or has no such set.
    """
    settings = settings or get_settings()
    lists = [found.name for found in list_gene_lists(settings)]
    if words in lists:
        return load_gene_list(words, settings)
    run, colon, name = words.partition(":")
    folder = settings.runs_folder / run
    if colon and run and folder.is_dir() and folder.parent == settings.runs_folder:
        result = LandmarkSelectionResult.load(folder)
        genes = tuple(result.genes_of(name))
        return GeneList(name, genes, f"selection {run}", str(result.facts["dataset"]))
    path = Path(words)
    if path.is_file():
        return read_list(path)
    raise DataError(
        f"'{words}' is neither a gene list of this workspace ({', '.join(lists)}), nor RUN:SET of a "
        "finished selection, nor a file."
    )


def read_list(path: Path) -> GeneList:
    """The symbols of a text file, called by the file's name.

    Raises
    ------
    DataError
        Where the file cannot be read, is too large to be a list, or holds no gene.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise DataError(f"'{path.name}' is larger than 2 MB: that is no list of genes.")
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise DataError(f"'{path}' cannot be read: {error.strerror or error}.") from None
    genes = parse_gene_list(text)
    if not genes:
        raise DataError(f"'{path.name}' holds no gene.")
    return GeneList(path.stem, genes, f"file {path.name}")


def measured_genes(data: LandmarkData, genes: Iterable[str]) -> tuple[str, ...]:
    """Those of ``genes`` that a data set measures, as it writes them, each once."""
    return tuple(dict.fromkeys(data.match(genes).matched.values()))


def updates(data: LandmarkData | None, lists: Iterable[GeneList]) -> pd.DataFrame:
    """Genes of the lists whose symbol has changed since 2017.

    Returns
    -------
    DataFrame
        ``set, given, present, former``; with a data set ``measured as`` too, its symbol or
        "not measured".
    """
    from core.metrics.gene_sets_overlap import symbol_updates

    frames = []
    for found in lists:
        table = symbol_updates(found.genes)
        table.insert(0, "set", found.name)
        if data is not None:
            matched = data.match(found.genes).matched
            table["measured as"] = table["given"].map(matched).fillna("not measured")
        frames.append(table)
    return pd.concat(frames, ignore_index=True)
