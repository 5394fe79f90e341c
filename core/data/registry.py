"""Named data sets: what each is, where it comes from, and how its files are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd

from core.progress import OnProgress
from core.registry import Registry
from core.settings import Settings

if TYPE_CHECKING:
    from anndata import AnnData

PERTURBATION, CELLS = "perturbation", "cells"
KINDS = (PERTURBATION, CELLS)


@dataclass
class RawTable:
    """A perturbation table as a file holds it, before it is understood and validated.

    Attributes
    ----------
    frame
        Every column of the file, in its order; column names may still be aliases.
    target
        What a value is, with its unit; ``None`` where the reader cannot know.
    unmeasured
        Pairs whose response is not in the file (``cell_type``, ``sm_name``, ``split``), if any.
    notes
        Sentences of the reader for the user.
    simulated
        True where the file itself says that its values were simulated.
    """

    frame: pd.DataFrame
    target: str | None = None
    unmeasured: pd.DataFrame | None = None
    notes: list[str] = field(default_factory=list)
    simulated: bool = False


@dataclass
class RawArrays:
    """A perturbation table whose columns the reader knows: pairs, genes and values apart."""

    obs: pd.DataFrame
    genes: list[str]
    values: np.ndarray
    target: str | None = None
    unmeasured: pd.DataFrame | None = None
    notes: list[str] = field(default_factory=list)
    simulated: bool = False


#: Fetched files by name → what they hold.
Reader = Callable[[Mapping[str, Path], OnProgress], "RawTable | RawArrays | AnnData"]


class Provider(Protocol):
    """Where a data set's files come from."""

    @property
    def source(self) -> str:
        """One line for the user: an address, a package, a folder."""

    def fetch(self, settings: Settings, on_progress: OnProgress) -> dict[str, Path]:
        """Bring the files here, and return their paths by name.

        Raises
        ------
        core.errors.FetchError
            In one sentence: what could not be had, and from where.
        """


class Maker(Protocol):
    """A provider that computes its data instead of fetching files."""

    @property
    def source(self) -> str:
        """One line for the user."""

    def make(self, on_progress: OnProgress) -> Any:
        """Return a finished :class:`core.data.table.PerturbationTable`."""


@dataclass(frozen=True)
class DataSet:
    """One named data set.

    Attributes
    ----------
    id
        Name in the workspace, the CLI and URLs.
    kind
        ``"perturbation"`` (a table of pairs × genes) or ``"cells"`` (an AnnData).
    shape
        For people: ``"869 pairs × 18,211 genes"``.
    size_mb, size_estimated
        Size of the download, 0 where nothing is downloaded; whether it is our estimate.
    expected
        Published facts held against what was read: ``n_rows``, ``n_vars``, ``obs`` (columns).
        A difference is reported, not refused: public files do change.
    reader
        ``None`` where the provider makes the data itself.
    """

    id: str
    label: str
    kind: str
    help: str
    organism: str
    shape: str
    size_mb: float
    licence: str
    citation: str
    homepage: str
    provider: Provider | Maker
    reader: Reader | None = None
    simulated: bool = False
    expected: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""
    size_estimated: bool = False


DATASETS: Registry[DataSet] = Registry("data set", package="core.data.catalogue")


def register(dataset: DataSet) -> DataSet:
    """Add a data set to :data:`DATASETS`."""
    if dataset.kind not in KINDS:
        raise ValueError(f"{dataset.id}: kind is one of {KINDS}")
    DATASETS.add(dataset.id, dataset, label=dataset.label, help=dataset.help, kind=dataset.kind)
    return dataset
