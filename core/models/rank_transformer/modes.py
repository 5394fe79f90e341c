"""Ways of knocking a gene out of a ranked cell, and what each does to the model's input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from core.errors import ConfigError


class Mode(StrEnum):
    """What is done to a gene.

    Only ``DELETE``, ``SHIFT_ONLY`` and ``OVER_EXPRESS`` move other genes; ``PAIRED`` takes the
    movement out again by comparing two inputs in which everything has moved alike.
    """

    DELETE = "delete"
    PAIRED = "paired control"
    ATTENTION_MASK = "attention mask"
    MASK_TOKEN = "mask token"
    SHIFT_ONLY = "shift only"
    OVER_EXPRESS = "over-express"
    DELETE_KEEP_POSITIONS = "delete, positions kept"


#: One line a mode, for people.
MODE_HELP = {
    Mode.DELETE: "The gene is taken out and every gene below it moves up one rank (Geneformer).",
    Mode.PAIRED: "Delete, compared with a cell that keeps the gene but whose lower genes have "
    "moved up as well: what is left is the gene's absence.",
    Mode.ATTENTION_MASK: "No gene attends to it any more; all positions stay.",
    Mode.MASK_TOKEN: "The mask token stands in its place; all positions stay.",
    Mode.SHIFT_ONLY: "Control: nothing is taken out, genes below move up one rank all the same.",
    Mode.OVER_EXPRESS: "The gene moves to the front; genes that stood above it move down one rank.",
    Mode.DELETE_KEEP_POSITIONS: "The gene is taken out and the others keep their positions: the "
    "same as the attention mask.",
}


@dataclass(frozen=True)
class Edit:
    """A model input made from a ranked cell.

    Attributes
    ----------
    tokens, positions
        int64 ``(m,)``.
    source
        Rank in the unedited cell of each input token, int64 ``(m,)``; −1 for a token that stands
        for no gene of it (a mask token, an inserted gene).
    """

    tokens: np.ndarray
    positions: np.ndarray
    source: np.ndarray


def edit(
    tokens: np.ndarray, ranks: Sequence[int] | np.ndarray, mode: Mode, *, mask_token: int = 1
) -> Edit:
    """The input in which the genes at ``ranks`` are knocked out together.

    Parameters
    ----------
    tokens
        Ranked cell, int64 ``(l,)``.
    ranks
        Ranks from 0, each once.
    mode
        Any but ``PAIRED``, which is a comparison of ``DELETE`` with ``SHIFT_ONLY``.

    Notes
    -----
    An attention mask takes a token out of every softmax, and what the masked token itself becomes
    is read by nobody: leaving the token out while the others keep their position ids is the same
    input, exactly, and needs no mask.

    Raises
    ------
    ConfigError
        If a rank is outside the cell or given twice, or nothing would be left.
    """
    tokens = np.asarray(tokens, dtype=np.int64)
    knocked = check_ranks(ranks, len(tokens))
    everything = np.arange(len(tokens))
    kept = np.delete(everything, knocked)
    if mode is Mode.DELETE:
        return Edit(tokens[kept], np.arange(len(kept)), kept)
    if mode in (Mode.ATTENTION_MASK, Mode.DELETE_KEEP_POSITIONS):
        return Edit(tokens[kept], kept, kept)
    if mode is Mode.MASK_TOKEN:
        masked, source = tokens.copy(), everything.copy()
        masked[knocked], source[knocked] = mask_token, -1
        return Edit(masked, everything, source)
    if mode is Mode.SHIFT_ONLY:
        above = np.searchsorted(knocked, everything, side="left")
        return Edit(tokens, everything - above, everything)
    if mode is Mode.OVER_EXPRESS:
        source = np.concatenate([knocked, kept])
        return Edit(tokens[source], everything, source)
    raise ConfigError(f"The mode '{mode}' compares two inputs and is no single one.")


def insert(tokens: np.ndarray, new: Sequence[int], *, max_length: int) -> Edit:
    """The input in which genes that the cell does not express are put to the front.

    Genes that fall beyond ``max_length`` are cut.

    Raises
    ------
    ConfigError
        If a gene stands in the cell already.
    """
    tokens = np.asarray(tokens, dtype=np.int64)
    added = np.asarray(list(new), dtype=np.int64)
    if np.isin(added, tokens).any() or len(np.unique(added)) != len(added):
        raise ConfigError("A gene that is put to the front as new is ranked in the cell already.")
    joined = np.concatenate([added, tokens])[:max_length]
    source = np.concatenate([np.full(len(added), -1), np.arange(len(tokens))])[:max_length]
    return Edit(joined, np.arange(len(joined)), source)


def check_ranks(ranks: Sequence[int] | np.ndarray, length: int) -> np.ndarray:
    """Ranks in ascending order, int64.

    Raises
    ------
    ConfigError
        If one is outside the cell or given twice, none is given, or no other gene would be left.
    """
    knocked = np.sort(np.asarray(list(ranks), dtype=np.int64))
    if not len(knocked):
        raise ConfigError("Name at least one gene to knock out.")
    if knocked[0] < 0 or knocked[-1] >= length:
        bad = knocked[0] if knocked[0] < 0 else knocked[-1]
        raise ConfigError(f"There is no rank {bad}: the cell's ranks go from 0 to {length - 1}.")
    if (np.diff(knocked) == 0).any():
        raise ConfigError("A rank is given twice in one knock-out.")
    if len(knocked) >= length:
        raise ConfigError(f"All {length} genes of the cell would be knocked out: none is left.")
    return knocked
