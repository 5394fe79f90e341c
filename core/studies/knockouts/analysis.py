"""What the responses say: read-outs, share of rank, agreement, intervals, responders."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from core.data.gene_sets import go_biological_process
from core.errors import DataError
from core.metrics.enrichment import EnrichmentIndex
from core.metrics.knockout import (
    agreement,
    interval,
    over_cells,
    positional_share,
    rank_correlation,
    read_outs,
    verdict,
)
from core.metrics.knockout_responders import partner_test, responder_enrichment, responders
from core.models.rank_transformer.knockout import KnockoutResult
from core.models.rank_transformer.modes import Mode
from core.studies.knockouts.config import KnockoutsConfig, Target

#: Knock-outs of a cell whose modes are compared with each other; more say nothing new.
MOST_COMPARED = 60
#: Ranks that one point of an interval over cells stands for, in a scan.
BIN = 100
#: What intervals are given for.
MEASURES = ("auc_near", "auc", "step_height", "spearman_with_rank", "share", "cell_shift_others")
#: A mode that leaves positions alone, best first: its answer is the gene's absence.
CLEAN = (Mode.PAIRED, Mode.ATTENTION_MASK, Mode.DELETE_KEEP_POSITIONS, Mode.MASK_TOKEN)


@dataclass(frozen=True)
class Analysis:
    """Responses of some cells, and everything that is read out of them.

    Attributes
    ----------
    facts
        What was done to what: ``dataset, label, simulated, data_hash, card, coverage, warnings``.
    cells
        ``cell, row, n_genes`` and, where cells were taken from one, ``group``.
    genes
        Symbols of each cell in the order of rank.
    responses
        ``(cell number, mode)`` to its responses and their labels.
    """

    config: KnockoutsConfig
    facts: Mapping[str, Any]
    cells: pd.DataFrame
    genes: tuple[np.ndarray, ...]
    responses: Mapping[tuple[int, Mode], tuple[KnockoutResult, tuple[str, ...]]]
    goal: np.ndarray | None = None

    @property
    def modes(self) -> tuple[Mode, ...]:
        """Modes with a response, in the order of the configuration."""
        there = {mode for _, mode in self.responses}
        return tuple(mode for mode in self.config.modes if mode in there)

    @property
    def scanned(self) -> bool:
        """Whether knock-outs go by rank along whole cells."""
        return self.config.target is Target.ALL

    @property
    def clean_mode(self) -> Mode | None:
        """The mode whose answer is the gene's absence."""
        return next((mode for mode in CLEAN if mode in self.modes), None)

    @property
    def title(self) -> str:
        """What was knocked out, in words."""
        if self.config.target is Target.ALL:
            return f"every {self.config.stride}-th gene" if self.config.stride > 1 else "every gene"
        what = self.config.genes if self.config.target is Target.GENES else self.labels
        return ", ".join(what[:4]) + (" …" if len(what) > 4 else "")

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """Knock-outs by label, over all cells, in order of rank where they are ranks."""
        found = dict.fromkeys(label for _, labels in self.responses.values() for label in labels)
        if self.config.target is Target.GENES:
            return tuple(label for label in self.config.genes if label in found)
        return tuple(sorted(found, key=lambda label: int(label.removeprefix("rank "))))

    def cells_with(self, label: str) -> list[int]:
        """Numbers of the cells in which a knock-out was made, in any mode."""
        return sorted(
            {cell for (cell, _), (_, labels) in self.responses.items() if label in labels}
        )

    def row(self, cell: int, mode: Mode, label: str) -> tuple[np.ndarray, tuple[int, ...]] | None:
        """Response ``(l,)`` of one cell to one knock-out with the knocked ranks, or None."""
        found = self.responses.get((cell, mode))
        if found is None or label not in found[1]:
            return None
        at = found[1].index(label)
        return found[0].shift[at], found[0].targets[at]

    def _pairs(self, mode: Mode) -> Callable[[int], tuple[KnockoutResult, tuple[str, ...]] | None]:
        return lambda cell: self.responses.get((cell, mode))

    @cached_property
    def read_outs(self) -> pd.DataFrame:
        """A row a cell, mode and knock-out.

        ``cell, mode, target, gene, rank, median_above, median_below, step_height, auc,
        auc_near, spearman_with_rank, median, max, cell_shift, cell_shift_others`` and ``share`` (that the
        shift-only control explains; of deletions, where both were made).
        """
        parts = []
        for (cell, mode), (result, labels) in self.responses.items():
            shift = without_others(result)
            ranks = result.ranks
            single = ranks >= 0
            measured = read_outs(shift[single], ranks[single]).drop(columns="rank").astype(float)
            table = pd.DataFrame({"rank": ranks}).join(measured.set_index(np.flatnonzero(single)))
            for at in np.flatnonzero(~single):  # put in as new: nothing stands above it
                table.loc[at, "spearman_with_rank"] = rank_correlation(shift[at])
                table.loc[at, "median"] = float(np.nanmedian(shift[at]))
                table.loc[at, "max"] = float(np.nanmax(shift[at]))
            genes = [
                "+".join(self.genes[cell][list(t)]) if t else label
                for t, label in zip(result.targets, labels, strict=True)
            ]
            table.insert(0, "gene", genes)
            table.insert(0, "target", labels)
            table.insert(0, "mode", mode.value)
            table.insert(0, "number", cell)
            table.insert(0, "cell", self.cells["cell"].iloc[cell])
            table["cell_shift"] = result.cell_shift
            table["cell_shift_others"] = result.cell_shift_others
            parts.append(table)
        if not parts:
            raise DataError("No cell allows any of these knock-outs.")
        joined = pd.concat(parts, ignore_index=True).sort_values(
            ["number", "mode", "rank"], kind="stable", ignore_index=True
        )
        shares = self.shares
        joined["share"] = np.nan
        if len(shares):
            known = dict(
                zip(
                    zip(shares["number"], shares["target"], strict=True),
                    shares["share"],
                    strict=True,
                )
            )
            keys = zip(joined["number"], joined["target"], strict=True)
            values = np.array([known.get(key, np.nan) for key in keys], dtype=np.float64)
            joined["share"] = np.where(joined["mode"] == Mode.DELETE.value, values, np.nan)
        return joined

    @cached_property
    def shares(self) -> pd.DataFrame:
        """Share of each deletion's response that the shift-only control reproduces.

        ``cell, number, target, rank, share``; empty unless both modes were computed.
        """
        rows = []
        for number, name in enumerate(self.cells["cell"]):
            deleted, moved = (
                self.responses.get((number, mode)) for mode in (Mode.DELETE, Mode.SHIFT_ONLY)
            )
            if deleted is None or moved is None:
                continue
            at = {label: i for i, label in enumerate(moved[1])}
            for i, label in enumerate(deleted[1]):
                if label in at:
                    share = positional_share(deleted[0].shift[i], moved[0].shift[at[label]])
                    rank = int(deleted[0].ranks[i])
                    rows.append((name, number, label, rank, share))
        return pd.DataFrame(rows, columns=["cell", "number", "target", "rank", "share"])

    def share(self, label: str | None = None) -> tuple[float, float, float]:
        """Median share of rank with its interval over cells; of one knock-out or of all."""
        table = self.shares
        if label is not None:
            table = table[table["target"] == label]
        per_cell = table.groupby("number")["share"].median() if len(table) else pd.Series([])
        return interval(per_cell.to_numpy(dtype=float), seed=self.config.seed)

    def verdict(self, label: str | None = None) -> str:
        """How much of the answer to deletion is the rank's, in words."""
        if not {Mode.DELETE, Mode.SHIFT_ONLY} <= set(self.modes):
            return "Compute delete and shift only to see how much of a deletion is the rank's."
        if label is None and len(self.labels) == 1:
            label = self.labels[0]
        what = f"deleting {label}" if label else f"these {len(self.labels):,} deletions"
        share, low, high = self.share(label)
        words = verdict(share, what=f"the response to {what}")
        if np.isfinite(low):
            reach = f"95 % interval over cells: {100 * low:.1f} to {100 * high:.1f} %"
            words = f"{words.removesuffix('.')} ({reach})."
        return words

    @cached_property
    def agreement(self) -> pd.DataFrame:
        """Every pair of modes on the same knock-outs of the same cells.

        ``cell, number, a, b, rank, spearman, top_overlap, expected_overlap``; of a scan, at most
        60 knock-outs a cell, evenly spaced.
        """
        parts = []
        for number, name in enumerate(self.cells["cell"]):
            for a, b in combinations(self.modes, 2):
                first, second = (self.responses.get((number, mode)) for mode in (a, b))
                if first is None or second is None:
                    continue
                at = {label: i for i, label in enumerate(second[1])}
                both = [i for i, label in enumerate(first[1]) if label in at]
                few = np.unique(np.linspace(0, len(both) - 1, MOST_COMPARED).astype(int))
                left = np.array([both[i] for i in few if both], dtype=int)
                right = np.array([at[first[1][i]] for i in left], dtype=int)
                if not len(left):
                    continue
                table = agreement(
                    without_others(first[0])[left],
                    without_others(second[0])[right],
                    first[0].ranks[left],
                    top=self.config.top,
                )
                table.insert(0, "target", [first[1][i] for i in left])
                for column, value in (("b", b.value), ("a", a.value), ("number", number)):
                    table.insert(0, column, value)
                table.insert(0, "cell", name)
                parts.append(table)
        columns = ["cell", "number", "a", "b", "target", "rank", "spearman", "top_overlap"]
        if not parts:
            return pd.DataFrame(columns=[*columns, "expected_overlap"])
        return pd.concat(parts, ignore_index=True)

    def agreement_matrix(self, measure: str, label: str | None = None) -> pd.DataFrame:
        """Median of ``measure`` (``spearman`` or ``top_overlap``) between modes; 1 with itself."""
        table = self.agreement
        if label is not None:
            table = table[table["target"] == label]
        names = [mode.value for mode in self.modes]
        matrix = pd.DataFrame(np.eye(len(names)), index=names, columns=names)
        for (a, b), group in table.groupby(["a", "b"]):
            matrix.loc[a, b] = matrix.loc[b, a] = float(group[measure].median())
        return matrix

    @cached_property
    def intervals(self) -> pd.DataFrame:
        """Median over cells with a 95 % interval of each measure, by mode and knock-out.

        Knock-outs of a scan are put together by hundreds of ranks (``target`` is
        ``"ranks 100–199"``), each cell counting once.
        """
        table = self.read_outs
        if self.scanned:
            start = table["rank"] // BIN * BIN
            names = "ranks " + start.astype(str) + "–" + (start + BIN - 1).astype(str)
            table = table.assign(target=names)
        columns = list(MEASURES)
        # a measure that no mode has (the share of a mask) stays NaN
        keys = ["mode", "target"]
        per_cell = (
            table.groupby([*keys, "number"], sort=False)[[*columns, "rank"]].median().reset_index()
        )
        out = over_cells(per_cell, keys, columns, seed=self.config.seed)
        rank = per_cell.groupby(keys)["rank"].median().rename("rank").reset_index()
        joined = out.merge(rank, on=keys)
        return joined.sort_values(["mode", "rank"], kind="stable", ignore_index=True)

    def consensus(self, label: str, mode: Mode) -> tuple[np.ndarray, np.ndarray]:
        """Genes on one ranking of all cells, and their mean response.

        With several cells, genes of at least half of them, in order of their median rank; knocked
        genes have no response.

        Returns
        -------
        tuple
            Symbols ``(l,)`` and mean responses ``(l,)``.
        """
        found = []
        for cell in self.cells_with(label):
            one = self.row(cell, mode, label)
            if one is not None:
                shift = one[0].copy()
                shift[list(one[1])] = np.nan
                found.append((cell, shift))
        if not found:
            raise DataError(f"{label} was not knocked out by '{mode.value}' in any cell.")
        if len(found) == 1:
            return self.genes[found[0][0]], found[0][1]
        table = pd.concat(
            pd.DataFrame({"gene": self.genes[cell], "rank": np.arange(len(shift)), "shift": shift})
            for cell, shift in found
        )
        grouped = table.groupby("gene").agg(
            rank=("rank", "median"), shift=("shift", "mean"), n=("rank", "size")
        )
        kept = grouped[grouped["n"] * 2 >= len(found)].sort_values("rank", kind="stable")
        return kept.index.to_numpy(), kept["shift"].to_numpy()

    def responders(self, label: str, mode: Mode) -> pd.DataFrame:
        """Genes by mean response: ``gene, rank, shift, percentile_in_rank``."""
        genes, shift = self.consensus(label, mode)
        return responders(shift, genes, window=self.config.window)

    def enrichment(self, label: str, mode: Mode) -> pd.DataFrame:
        """GO sets among the responders, against rank-matched random genes.

        See :func:`core.metrics.knockout_responders.responder_enrichment`.
        """
        genes, shift = self.consensus(label, mode)
        index = EnrichmentIndex.build(go_biological_process(), genes, min_size=5)
        return responder_enrichment(
            shift,
            genes,
            index,
            top=self.config.top,
            n_draws=self.config.n_draws,
            seed=self.config.seed,
        )

    def partners(self, label: str, wanted: tuple[str, ...] | None = None) -> pd.DataFrame:
        """Whether known partners rise, a row a mode: ``mode, n, auc, excess, p_matched``."""
        rows = []
        for mode in self.modes:
            if not any(self.row(cell, mode, label) for cell in self.cells_with(label)):
                continue
            genes, shift = self.consensus(label, mode)
            test = partner_test(
                shift,
                genes,
                self.config.partners if wanted is None else wanted,
                window=self.config.window,
                n_draws=max(self.config.n_draws, 1000),
                seed=self.config.seed,
            )
            rows.append({"mode": mode.value, **test})
        return pd.DataFrame(rows)

    def responses_table(self, label: str, cell: int) -> pd.DataFrame:
        """All numbers of one knock-out of one cell: ``rank, gene`` and a cosine a mode."""
        table = pd.DataFrame({"rank": np.arange(len(self.genes[cell])), "gene": self.genes[cell]})
        for mode in self.modes:
            one = self.row(cell, mode, label)
            if one is not None:
                # 1 − cos, which keeps the digits that a cosine near 1 would lose
                table[f"{mode.value}: 1 - cosine"] = one[0]
        return table

    def scan_matrix(self, cell: int, mode: Mode) -> tuple[np.ndarray, np.ndarray]:
        """Knocked ranks ``(n,)`` and responses ``(n, l)``, in ascending order of rank."""
        result, _ = self.responses[(cell, mode)]
        ranks = result.ranks
        order = np.argsort(ranks, kind="stable")
        order = order[ranks[order] >= 0]
        return ranks[order], result.shift[order]


def without_others(result: KnockoutResult) -> np.ndarray:
    """Responses ``(n, l)`` in which the genes of a group are all left out, as the knocked one."""
    if all(len(target) < 2 for target in result.targets):
        return result.shift
    shift = result.shift.copy()
    for row, target in zip(shift, result.targets, strict=True):
        row[list(target)] = np.nan
    return shift
