"""Responses of cells to knock-outs, cell by cell and mode by mode."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import CancelledError
from core.models.rank_transformer import Mode, RankTransformer
from core.models.rank_transformer.knockout import (
    KnockoutResult,
    check_cell,
    knock_out,
    over_express_new,
    passes,
)
from core.models.rank_transformer.scan import scan
from core.progress import OnProgress, silent
from core.studies.base import never
from core.studies.knockouts.choosing import Knock, for_mode
from core.studies.knockouts.config import KnockoutsConfig, Target

#: Knock-outs between two savings of a scan.
PIECE = 32


def respond(
    model: RankTransformer,
    tokens: np.ndarray,
    knocks: Sequence[Knock],
    mode: Mode,
    config: KnockoutsConfig,
    *,
    folder: Path | None = None,
    on_progress: OnProgress = silent,
    should_cancel: Callable[[], bool] = never,
) -> tuple[KnockoutResult, tuple[str, ...]] | None:
    """One cell in one mode: its responses, and the label of each; None where it has none to give.

    Parameters
    ----------
    folder
        Pieces of an all-rank scan are kept here and taken up again.
    """
    doable = for_mode(knocks, mode)
    there = [k for k in doable if k.ranks]
    new = [k for k in doable if not k.ranks]
    if not doable:
        return None
    parts: list[KnockoutResult] = []
    with warnings.catch_warnings():
        # the page and the run say it once, from the result
        warnings.simplefilter("ignore", UserWarning)
        if there and config.target is Target.ALL:
            parts.append(
                scan(
                    model,
                    tokens,
                    mode,
                    folder=folder,
                    ranks=[k.ranks[0] for k in there],
                    layer=config.layer,
                    precision=config.precision,
                    piece=PIECE,
                    on_progress=on_progress,
                    should_cancel=should_cancel,
                )
            )
        elif there:
            parts.append(
                knock_out(
                    model,
                    tokens,
                    [k.ranks for k in there],
                    mode,
                    layer=config.layer,
                    precision=config.precision,
                    on_progress=on_progress,
                    should_cancel=should_cancel,
                )
            )
        if new:
            inserted = over_express_new(
                model,
                tokens,
                [k.new for k in new],
                layer=config.layer,
                precision=config.precision,
            )
            parts.append(inserted)
    return joined(parts), tuple(k.label for k in (*there, *new))


def joined(parts: Sequence[KnockoutResult]) -> KnockoutResult:
    """Knock-outs of one cell and mode below each other."""
    if len(parts) == 1:
        return parts[0]
    names = ("shift", "cell_shift", "cell_shift_others", "before", "after")
    arrays: dict[str, Any] = {
        name: np.concatenate([getattr(p, name) for p in parts]) for name in names
    }
    return replace(
        parts[0],
        targets=tuple(t for p in parts for t in p.targets),
        seconds=float(sum(p.seconds for p in parts)),
        **arrays,
    )


def n_passes(knocks: Sequence[Sequence[Knock]], modes: Sequence[Mode]) -> int:
    """Forward passes of all cells in all modes."""
    return sum(passes(len(for_mode(some, mode)), mode) for some in knocks for mode in modes)


class Tally:
    """Progress over all cells and modes, in forward passes; the way in which cancelling enters."""

    def __init__(
        self, total: int, on_progress: OnProgress, should_cancel: Callable[[], bool]
    ) -> None:
        self.total, self.done = total, 0
        self._tell, self._cancel = on_progress, should_cancel

    def part(self, words: str, n: int, mode: Mode) -> OnProgress:
        """Progress of one cell in one mode."""
        weight = passes(1, mode)

        def report(done: int, total: int, message: str) -> None:
            if self._cancel():
                raise CancelledError("The knock-outs were cancelled; finished cells are kept.")
            self._tell(self.done + done * weight, self.total, f"{words}: {message}")

        report(0, n, "begins")
        return report

    def finish(self, n: int, mode: Mode) -> None:
        """One cell in one mode is done."""
        self.done += passes(n, mode)


def check_fits(model: RankTransformer, tokens: np.ndarray) -> None:
    """Raise what keeps a model from taking a cell, before anything is computed."""
    check_cell(model, tokens)
