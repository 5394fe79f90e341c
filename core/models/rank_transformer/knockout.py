"""In-silico knock-outs: how far each gene's embedding, and the cell's, moves.

The forward pass runs in float32 and the cosines in float64: the answer of most genes to a
knock-out is a cosine distance of 1e-7 to 1e-6, which bfloat16 does not resolve.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from core.errors import CancelledError, ConfigError
from core.models.rank_transformer.first_layer import SINGLE, FirstLayer
from core.models.rank_transformer.modes import Edit, Mode, check_ranks, edit, insert
from core.models.rank_transformer.network import RankTransformer, resolve_layer
from core.progress import OnProgress, silent

BF16_WARNING = (
    "bfloat16 keeps 3 significant digits: it hides responses below a cosine distance of about "
    "1e-5, and most genes answer a knock-out with 1e-7 to 1e-6."
)
PRECISIONS = ("float32", "bfloat16")


@dataclass(frozen=True)
class KnockoutResult:
    """Responses of one cell to ``n`` knock-outs.

    Attributes
    ----------
    mode
        What was done to the genes.
    tokens
        The cell, int64 ``(l,)``.
    targets
        Ranks that each knock-out hit, from 0; empty for genes put in as new.
    shift
        Cosine distance ``1 − cos`` of each gene's embedding before and after, by its rank in the
        unedited cell, float64 ``(n, l)``; NaN where there is no embedding after.
    cell_shift
        Cosine distance of the mean-pooled cell, the gene itself included as far as it is there:
        before over all genes, after over all tokens that the edited input attends to; ``(n,)``.
    cell_shift_others
        The same over the other genes only, before and after, ``(n,)``.
    before, after
        Mean embeddings over the other genes, float64 ``(n, d)``.
    layer
        Layer after which embeddings were read.
    precision, seconds, warnings
        How it was computed.
    """

    mode: Mode
    tokens: np.ndarray
    targets: tuple[tuple[int, ...], ...]
    shift: np.ndarray
    cell_shift: np.ndarray
    cell_shift_others: np.ndarray
    before: np.ndarray
    after: np.ndarray
    layer: int
    precision: str = "float32"
    seconds: float = 0.0
    warnings: tuple[str, ...] = field(default=())

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def cosine(self) -> np.ndarray:
        """Cosine of each gene before and after, float64 ``(n, l)``."""
        return 1.0 - self.shift

    @property
    def ranks(self) -> np.ndarray:
        """Rank of each knock-out (of a group the first; −1 for a new gene), int64 ``(n,)``."""
        return np.array([t[0] if t else -1 for t in self.targets], dtype=np.int64)


def knock_out(
    model: RankTransformer,
    tokens: np.ndarray,
    targets: Sequence[int | Sequence[int]] | None = None,
    mode: Mode = Mode.PAIRED,
    *,
    layer: int | None = None,
    batch_size: int | None = None,
    precision: str = "float32",
    on_progress: OnProgress = silent,
    should_cancel: Callable[[], bool] | None = None,
) -> KnockoutResult:
    """Knock genes of one cell out, one after the other or in groups.

    Parameters
    ----------
    model
        Used in evaluation, on the device where it is.
    tokens
        Ranked cell, int64 ``(l,)``.
    targets
        Ranks from 0: an integer for a single gene, a sequence for genes that go together;
        default: every gene of the cell, one by one.
    mode
        See :class:`~core.models.rank_transformer.modes.Mode`.
    layer
        Read after this layer; default: the last one. Geneformer's own default is the one before.
    batch_size
        Knock-outs in one pass; results do not depend on it.
    precision
        ``"float32"`` or ``"bfloat16"``, which warns.

    Raises
    ------
    ConfigError
        If a rank is not in the cell, the cell has fewer than two genes or more than the model
        takes, or a token is outside the model's vocabulary.
    CancelledError
        If ``should_cancel`` says so.
    """
    ids = check_cell(model, tokens)
    wanted = range(len(ids)) if targets is None else targets
    groups = [check_ranks(_as_group(target), len(ids)) for target in wanted]
    engine = _Engine(model, ids, mode, resolve_layer(model, layer), batch_size, precision)
    return engine.run(groups, on_progress, should_cancel)


def over_express_new(
    model: RankTransformer,
    tokens: np.ndarray,
    new: Sequence[int | Sequence[int]],
    *,
    layer: int | None = None,
    precision: str = "float32",
) -> KnockoutResult:
    """Put genes that the cell does not express to the front of it, one by one or in groups.

    Parameters
    ----------
    new
        Tokens; a sequence goes in together. The lowest genes of a full cell are cut.

    Raises
    ------
    ConfigError
        As :func:`knock_out`; or if a gene is ranked in the cell already.
    """
    ids = check_cell(model, tokens)
    engine = _Engine(model, ids, Mode.OVER_EXPRESS, resolve_layer(model, layer), 1, precision)
    longest = model.config.max_position_embeddings
    groups = [_as_group(target) for target in new]
    if any(not 0 <= t < model.config.vocab_size for group in groups for t in group):
        raise ConfigError(f"The model's tokens go from 0 to {model.config.vocab_size - 1:,}.")
    edits = [insert(ids, group, max_length=longest) for group in groups]
    result = engine.run_edits(edits)
    return replace(result, targets=tuple(() for _ in groups))


def check_cell(model: RankTransformer, tokens: np.ndarray) -> np.ndarray:
    """Tokens as int64, or a :class:`ConfigError` that says why the model cannot take them."""
    ids = np.asarray(tokens, dtype=np.int64)
    longest, size = model.config.max_position_embeddings, model.config.vocab_size
    if ids.ndim != 1 or len(ids) < 2:
        raise ConfigError("A knock-out needs a cell with at least two ranked genes.")
    if len(ids) > longest:
        raise ConfigError(f"The cell has {len(ids):,} genes and the model takes {longest:,}.")
    if model.device.type == "mps":
        raise ConfigError("An Apple GPU has no float64, which knock-outs need: use the CPU.")
    if ids.min() < 0 or ids.max() >= size:
        raise ConfigError(
            f"The cell has the token {ids.max() if ids.max() >= size else ids.min()}, and the "
            f"model's tokens go from 0 to {size - 1:,}: vocabulary and model do not belong "
            "together."
        )
    return ids


def _as_group(target: int | Sequence[int]) -> Sequence[int]:
    return (int(target),) if isinstance(target, int | np.integer) else target


def default_batch(model: RankTransformer, length: int) -> int:
    """Knock-outs a pass: one on a CPU, whose caches they would leave; on a GPU what fills it."""
    if model.device.type == "cpu":
        return 1
    return max(1, min(64, 65_536 // max(length, 1)))


class _Engine:
    """Runs the edited inputs of one cell and compares them with what they are compared with."""

    def __init__(
        self,
        model: RankTransformer,
        tokens: np.ndarray,
        mode: Mode,
        layer: int,
        batch_size: int | None,
        precision: str,
    ) -> None:
        if precision not in PRECISIONS:
            raise ConfigError(f"The precision is float32 or bfloat16, not '{precision}'.")
        self.model, self.tokens, self.mode = model.eval(), tokens, Mode(mode)
        self.layer, self.precision = layer, precision
        self.batch_size = batch_size or default_batch(model, len(tokens))
        if self.batch_size < 1:
            raise ConfigError("The batch size is at least 1.")
        self.ids = torch.as_tensor(tokens, device=model.device)
        self.notes: tuple[str, ...] = ()
        if precision == "bfloat16":
            self.notes = (BF16_WARNING,)
            warnings.warn(BF16_WARNING, UserWarning, stacklevel=4)

    def run(
        self,
        groups: list[np.ndarray],
        on_progress: OnProgress,
        should_cancel: Callable[[], bool] | None,
    ) -> KnockoutResult:
        started = time.perf_counter()
        out = _Rows(len(groups), len(self.tokens), self.model.config.hidden_size)
        done = 0
        with torch.inference_mode():
            for indices, pairs in self._compared(groups):
                for index, (before, after) in zip(indices, pairs, strict=True):
                    out.add(index, groups[index], before, after)
                done += len(indices)
                on_progress(done, len(groups), f"{done:,} of {len(groups):,} knock-outs")
                if should_cancel is not None and should_cancel():
                    raise CancelledError("The knock-outs were cancelled.")
        targets = tuple(tuple(int(rank) for rank in group) for group in groups)
        return self._result(targets, out, started)

    def run_edits(self, edits: list[Edit]) -> KnockoutResult:
        """Compare ready-made inputs with the unedited cell."""
        started = time.perf_counter()
        out = _Rows(len(edits), len(self.tokens), self.model.config.hidden_size)
        with torch.inference_mode():
            before = self._unedited()
            for index, one in enumerate(edits):
                out.add(index, np.array([], dtype=np.int64), before, self._plain([one])[0])
        return self._result(tuple(() for _ in edits), out, started)

    def _result(
        self, targets: tuple[tuple[int, ...], ...], out: _Rows, started: float
    ) -> KnockoutResult:
        return KnockoutResult(
            self.mode,
            self.tokens,
            targets,
            out.shift,
            out.cell,
            out.others,
            out.before,
            out.after,
            self.layer,
            self.precision,
            time.perf_counter() - started,
            self.notes,
        )

    def _compared(
        self, groups: list[np.ndarray]
    ) -> Iterator[tuple[list[int], list[tuple[_Embedded, _Embedded]]]]:
        """Indices of knock-outs, and what each is compared with and has become."""
        if self.mode is Mode.PAIRED:
            moved = self._states(groups, Mode.SHIFT_ONLY)
            deleted = self._states(groups, Mode.DELETE)
            for (indices, before), (_, after) in zip(moved, deleted, strict=True):
                yield indices, list(zip(before, after, strict=True))
            return
        unedited = self._unedited()
        for indices, after in self._states(groups, self.mode):
            yield indices, [(unedited, one) for one in after]

    def _states(
        self, groups: list[np.ndarray], mode: Mode
    ) -> Iterator[tuple[list[int], list[_Embedded]]]:
        """Embeddings of knock-outs batch by batch: singles by rank, then groups by size."""
        singles = sorted(
            (i for i, g in enumerate(groups) if len(g) == 1), key=lambda i: groups[i][0]
        )
        several = sorted(
            (i for i, g in enumerate(groups) if len(g) > 1), key=lambda i: len(groups[i])
        )
        if singles:
            first = FirstLayer(self.model, self.ids, mode)
            dropped = SINGLE[mode][2] == "absent"
            for chunk in _chunks(singles, self.batch_size):
                yield chunk, self._single(first, [int(groups[i][0]) for i in chunk], mode, dropped)
        for chunk in _chunks(several, self.batch_size, key=lambda i: len(groups[i])):
            mask = self.model.config.mask_token_id
            edits = [edit(self.tokens, groups[i], mode, mask_token=mask) for i in chunk]
            yield chunk, self._plain(edits)

    def _single(
        self, first: FirstLayer, ranks: list[int], mode: Mode, dropped: bool
    ) -> list[_Embedded]:
        with self._arithmetic():
            states = self._rest(torch.stack([first.at(rank) for rank in ranks]))
        everything = np.arange(len(self.tokens))
        out = []
        for rank, state in zip(ranks, states, strict=True):
            source = np.delete(everything, rank) if dropped else everything
            if mode is Mode.MASK_TOKEN:
                source = np.where(everything == rank, -1, everything)
            out.append(_Embedded(state.float(), source))
        return out

    def _plain(self, edits: list[Edit]) -> list[_Embedded]:
        tokens = torch.as_tensor(np.stack([one.tokens for one in edits]), device=self.ids.device)
        positions = torch.as_tensor(
            np.stack([one.positions for one in edits]), device=self.ids.device
        )
        with self._arithmetic():
            states = self.model(tokens, None, positions, layer=self.layer)
        return [_Embedded(s.float(), one.source) for s, one in zip(states, edits, strict=True)]

    def _unedited(self) -> _Embedded:
        first = FirstLayer(self.model, self.ids, Mode.ATTENTION_MASK)
        with self._arithmetic():
            state = self._rest(first.unedited()[None])[0]
        return _Embedded(state.float(), np.arange(len(self.tokens)))

    def _rest(self, hidden: torch.Tensor) -> torch.Tensor:
        for block in self.model.layers[1 : self.layer]:
            hidden = block(hidden)
        return hidden

    def _arithmetic(self) -> AbstractContextManager[object]:
        if self.precision == "float32":
            return nullcontext()
        return torch.autocast(self.model.device.type, dtype=torch.bfloat16)


class _Embedded:
    """Embeddings of an input, in float64, with the rank that each stands for."""

    def __init__(self, state: torch.Tensor, source: np.ndarray) -> None:
        self.state = state.double()
        self.source = torch.as_tensor(source, device=state.device)
        self._unit: torch.Tensor | None = None

    @property
    def unit(self) -> torch.Tensor:
        if self._unit is None:
            self._unit = self.state / self.state.norm(dim=1, keepdim=True)
        return self._unit

    def row_of(self, length: int) -> torch.Tensor:
        """Input row of each rank, ``(length,)``; −1 where there is none."""
        rows = torch.full((length,), -1, device=self.source.device)
        there = self.source >= 0
        rows[self.source[there]] = torch.arange(len(self.source), device=rows.device)[there]
        return rows


class _Rows:
    """What is read out of each comparison."""

    def __init__(self, n: int, length: int, width: int) -> None:
        self.length = length
        self.shift = np.full((n, length), np.nan)
        self.cell, self.others = np.full(n, np.nan), np.full(n, np.nan)
        self.before, self.after = np.zeros((n, width)), np.zeros((n, width))

    def add(self, index: int, knocked: np.ndarray, before: _Embedded, after: _Embedded) -> None:
        a, b = before.row_of(self.length), after.row_of(self.length)
        both = (a >= 0) & (b >= 0)
        # half the squared distance of unit vectors is 1 − cos without its cancellation
        moved = (before.unit[a[both]] - after.unit[b[both]]).square().sum(dim=1).mul_(0.5)
        self.shift[index, both.cpu().numpy()] = moved.cpu().numpy()
        self.cell[index] = distance(before.state.mean(0), after.state.mean(0))
        both[torch.as_tensor(knocked, device=both.device)] = False
        if both.any():
            left, right = before.state[a[both]].mean(0), after.state[b[both]].mean(0)
            self.others[index] = distance(left, right)
            self.before[index], self.after[index] = left.cpu().numpy(), right.cpu().numpy()


def distance(a: torch.Tensor, b: torch.Tensor) -> float:
    """``1 − cos`` of two float64 vectors, exact near 0."""
    return 0.5 * float((a / a.norm() - b / b.norm()).square().sum())


def _chunks(
    indices: list[int], size: int, key: Callable[[int], int] | None = None
) -> Iterator[list[int]]:
    """Pieces of at most ``size``, of one ``key`` each."""
    piece: list[int] = []
    for index in indices:
        if piece and (len(piece) == size or (key is not None and key(index) != key(piece[0]))):
            yield piece
            piece = []
        piece.append(index)
    if piece:
        yield piece


def passes(n: int, mode: Mode) -> int:
    """Forward passes that ``n`` knock-outs take."""
    return 2 * n if mode is Mode.PAIRED else n


def estimate_seconds(
    model: RankTransformer,
    tokens: np.ndarray,
    n: int,
    mode: Mode = Mode.PAIRED,
    *,
    layer: int | None = None,
) -> float:
    """Seconds that ``n`` single knock-outs of a cell will take, from three that are timed."""
    length = len(check_cell(model, tokens))
    few = sorted({0, length // 2, length - 1})
    knock_out(model, tokens, few[:1], mode, layer=layer)
    one = knock_out(model, tokens, few[:1], mode, layer=layer).seconds
    all_three = knock_out(model, tokens, few, mode, layer=layer).seconds
    each = max(all_three - one, 1e-6) / max(len(few) - 1, 1)
    return math.fsum([one, each * max(n - 1, 0)])
