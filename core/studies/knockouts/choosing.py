"""Which cells are taken, and which knock-outs each of them allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.data.faults import listing
from core.errors import DataError
from core.featurizers.rank_value import RankEncoded
from core.models.rank_transformer.modes import Mode
from core.models.rank_transformer.scan import scan_ranks
from core.studies.knockouts.config import CellChoice, GoalChoice, KnockoutsConfig, Target

#: Fewest ranked genes of a cell that can be read.
FEWEST = 2


@dataclass(frozen=True)
class Knock:
    """One knock-out of one cell.

    Attributes
    ----------
    label
        Gene, genes joined by +, or ``"rank 100"``.
    ranks
        Ranks in the cell; empty for genes that are put in as new.
    new
        Tokens that are put to the front as new.
    """

    label: str
    ranks: tuple[int, ...]
    new: tuple[int, ...] = ()


def choose_cells(
    encoded: RankEncoded, obs: pd.DataFrame, choice: CellChoice | GoalChoice
) -> np.ndarray:
    """Rows of the chosen cells, ascending, int64.

    Raises
    ------
    DataError
        If there is no such cell, column or group, or no cell has enough ranked genes.
    """
    if isinstance(choice, GoalChoice):
        choice = CellChoice(
            group_key=choice.goal_key, group=choice.goal_group, n_cells=choice.goal_cells
        )
    if choice.names:
        named = []
        for name in choice.names:
            encoded.cell(name)  # says what is wrong with it
            named.append(int(np.flatnonzero(encoded.names == name)[0]))
        return np.unique(np.array(named, dtype=np.int64))
    fit = encoded.lengths >= max(choice.min_genes, FEWEST)
    where = ""
    if choice.group_key is not None:
        fit &= in_group(obs, choice.group_key, str(choice.group))
        where = f" of '{choice.group}'"
    rows = np.flatnonzero(fit)
    if not len(rows):
        least = max(choice.min_genes, FEWEST)
        raise DataError(
            f"No cell{where} has {least:,} ranked genes or more: the longest of all "
            f"{len(encoded):,} cells has {int(encoded.lengths.max(initial=0)):,} genes of the "
            f"vocabulary '{encoded.vocabulary.name}'."
        )
    drawn = np.random.default_rng(choice.seed).permutation(rows)[: choice.n_cells]
    return np.sort(drawn)


def in_group(obs: pd.DataFrame, key: str, group: str) -> np.ndarray:
    """Which cells are of a group, bool ``(n_cells,)``.

    Raises
    ------
    DataError
        If there is no such column, or no such group in it.
    """
    if key not in obs:
        known = listing([str(c) for c in obs.columns]) or "none"
        raise DataError(f"The cells have no column '{key}'; columns: {known}.")
    values = obs[key].astype(str).to_numpy()
    found = values == group
    if not found.any():
        raise DataError(
            f"No cell has '{group}' in the column '{key}'; it holds "
            f"{listing(sorted(set(values))[:20])}."
        )
    return found


def knocks_of(encoded: RankEncoded, row: int, config: KnockoutsConfig) -> list[Knock]:
    """The knock-outs that one cell allows, without genes that it does not express."""
    tokens = encoded.cell(row)
    if config.target is Target.ALL:
        return [Knock(f"rank {r}", (int(r),)) for r in scan_ranks(len(tokens), config.stride)]
    if config.target is Target.RANKS:
        return [Knock(f"rank {r}", (r,)) for r in config.ranks if r < len(tokens)]
    place = {int(token): rank for rank, token in enumerate(tokens)}
    found = []
    for label, genes in zip(config.genes, config.gene_groups, strict=True):
        wanted = [encoded.vocabulary.token_of(gene) for gene in genes]
        ranks = tuple(sorted({place[t] for t in wanted if t in place}))
        new = tuple(dict.fromkeys(t for t in wanted if t not in place))
        if not new and len(ranks) < len(tokens):
            found.append(Knock(label, ranks))
        elif not ranks:
            found.append(Knock(label, (), new))
    return found


def _missing(encoded: RankEncoded, rows: np.ndarray, label: str, config: KnockoutsConfig) -> str:
    """A label, and of genes that go together those that one cell lacks."""
    genes = config.gene_groups[config.genes.index(label)]
    if len(genes) == 1 or len(rows) > 1:
        return label
    there = set(encoded.cell(int(rows[0])).tolist())
    lacking = [gene for gene in genes if encoded.vocabulary.token_of(gene) not in there]
    return f"{', '.join(lacking)} of {label}"


def for_mode(knocks: Sequence[Knock], mode: Mode) -> list[Knock]:
    """Those that a mode can do: a gene that a cell lacks can only be over-expressed."""
    return [k for k in knocks if k.ranks or mode is Mode.OVER_EXPRESS]


def require_some(
    encoded: RankEncoded, rows: np.ndarray, config: KnockoutsConfig
) -> dict[int, list[Knock]]:
    """Knock-outs of each chosen cell.

    Raises
    ------
    DataError
        If a gene is not in the vocabulary, or there is nothing to knock out in any cell.
    """
    per_cell = {int(row): knocks_of(encoded, int(row), config) for row in rows}
    possible = {
        knock.label
        for knocks in per_cell.values()
        for mode in config.modes
        for knock in for_mode(knocks, mode)
    }
    if config.target is Target.GENES:
        absent = [label for label in config.genes if label not in possible]
        if absent:
            which = (
                f"the cell '{encoded.names[rows[0]]}'"
                if len(rows) == 1
                else f"any of the {len(rows):,} chosen cells"
            )
            told = [_missing(encoded, rows, label, config) for label in absent]
            raise DataError(
                f"Not among the ranked genes of {which}, so not to be knocked out there: "
                f"{listing(told)} (not expressed, or below the model's length); choose other "
                "cells, or over-express."
            )
    elif not possible:
        raise DataError(
            f"The chosen cells have at most {int(encoded.lengths[rows].max()):,} ranked genes, "
            f"so there is no rank {min(config.ranks):,} in them."
        )
    return per_cell
