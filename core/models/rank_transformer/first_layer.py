"""The first layer of all single knock-outs of a cell, computed from what they share.

Before the first attention a token's state depends on its token and position alone, and in every
mode a gene above the knocked rank has one of two positions and a gene below it another. So
queries, keys and values are projected once a cell, and the attention of knock-out ``k`` is a sum
over keys above ``k`` plus a sum over keys below ``k``: going from one ``k`` to the next moves a
key or two from one sum to the other, ``O(l · d)`` instead of ``O(l² · d)``. The sums run in
float64, so that they do not drift; a row whose strongest key has left is summed anew, because what
is left of it would be rounding. Nothing is approximated.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from core.models.rank_transformer.modes import Mode
from core.models.rank_transformer.network import EncoderLayer, RankTransformer

#: Mode → (offset of positions above the rank, below it, what stands at the rank itself).
SINGLE: dict[Mode, tuple[int, int, str]] = {
    Mode.DELETE: (0, -1, "absent"),
    Mode.ATTENTION_MASK: (0, 0, "absent"),
    Mode.DELETE_KEEP_POSITIONS: (0, 0, "absent"),
    Mode.MASK_TOKEN: (0, 0, "mask"),
    Mode.SHIFT_ONLY: (0, -1, "same"),
    Mode.OVER_EXPRESS: (1, 0, "front"),
}
#: Query rows whose logits are held at a time.
_ROWS = 256
#: A row starts at a sum of weights of 1 or more (its strongest key has weight 1); outside this
#: range float64 would begin to lose what the forward pass in float32 can tell.
_LEAST, _MOST = 1e-6, 1e6


@dataclass
class _Side:
    """Tokens in one variant of position: state, queries, keys, and values with a 1 appended."""

    hidden: torch.Tensor  # (l, d) float32
    q: torch.Tensor  # (h, l, e) float64, scaled
    k: torch.Tensor  # (h, l, e)
    v: torch.Tensor  # (h, l, e + 1)


class FirstLayer:
    """First-layer outputs of a cell's single knock-outs, asked for in ascending rank.

    Parameters
    ----------
    model
        In evaluation.
    tokens
        Ranked cell, int64 ``(l,)``, on the model's device.
    mode
        One of :data:`SINGLE`.
    """

    def __init__(self, model: RankTransformer, tokens: torch.Tensor, mode: Mode) -> None:
        self.model, self.tokens = model, tokens
        self.block: EncoderLayer = model.layers[0]  # type: ignore[assignment]
        above, below, own = SINGLE[mode]
        self.length = len(tokens)
        variants = {offset: self._side(tokens, offset) for offset in {above, below}}
        self.above, self.below = variants[above], variants[below]
        self.own = self._own(own, variants)
        self.rank = -1
        # what the current knock-out sees: rows above the rank as in `above`, below as in `below`
        self.now = _Side(*(getattr(self.below, n).clone() for n in ("hidden", "q", "k", "v")))
        self.sums = torch.empty_like(self.now.v)
        self.top = torch.empty_like(self.now.v[..., :1])

    def _side(self, tokens: torch.Tensor, offset: int) -> _Side:
        last = self.model.config.max_position_embeddings - 1
        positions = torch.arange(self.length, device=tokens.device) + offset
        return self._project(self.model.embed(tokens, positions.clamp(0, last)))

    def _own(self, kind: str, variants: dict[int, _Side]) -> _Side | None:
        if kind == "absent":
            return None
        if kind == "same":
            return variants.get(0) or self._side(self.tokens, 0)
        positions = torch.arange(self.length, device=self.tokens.device)
        if kind == "mask":
            masks = torch.full_like(self.tokens, self.model.config.mask_token_id)
            return self._project(self.model.embed(masks, positions))
        return self._project(self.model.embed(self.tokens, torch.zeros_like(positions)))

    def _project(self, hidden: torch.Tensor) -> _Side:
        q, k, v = (part[0].double() for part in self.block.project(hidden[None]))
        scale = self.block.head_size**-0.5
        ones = torch.ones_like(v[..., :1])
        return _Side(hidden, q * scale, k.contiguous(), torch.cat([v, ones], dim=-1))

    def at(self, rank: int) -> torch.Tensor:
        """State after the first layer when ``rank`` is knocked out.

        Returns
        -------
        torch.Tensor
            float32 ``(l, d)`` in the order of the unedited cell, or ``(l − 1, d)`` where the gene
            is absent.
        """
        if rank <= self.rank or self.rank < 0:
            self._start(rank)
        else:
            self._advance(rank)
        sums = self.sums
        if self.own is not None:
            sums = self._with_own(self.own, rank)
            self._put(self.own, rank, rank + 1)
            sums[:, rank : rank + 1] = self._direct(slice(rank, rank + 1))[0]
        mixed = sums[..., :-1] / sums[..., -1:]
        hidden, flat = self.now.hidden, mixed.permute(1, 0, 2).reshape(self.length, -1).float()
        if self.own is None:
            hidden = _without(hidden, rank)
            flat = _without(flat, rank)
        return self.block.after_attention(hidden, flat)

    def unedited(self) -> torch.Tensor:
        """State after the first layer of the cell as it is, float32 ``(l, d)``."""
        side = self._side(self.tokens, 0)
        out = torch.empty_like(side.v[..., :-1])
        for start in range(0, self.length, _ROWS):
            rows = slice(start, min(start + _ROWS, self.length))
            weights = torch.softmax(side.q[:, rows] @ side.k.transpose(1, 2), dim=-1)
            out[:, rows] = weights @ side.v[..., :-1]
        flat = out.permute(1, 0, 2).reshape(self.length, -1).float()
        return self.block.after_attention(side.hidden, flat)

    def _start(self, rank: int) -> None:
        """All sums from scratch."""
        for name in ("hidden", "q", "k", "v"):
            now = getattr(self.now, name)
            now.copy_(getattr(self.below, name))
            cut = (slice(rank),) if name == "hidden" else (slice(None), slice(rank))
            now[cut] = getattr(self.above, name)[cut]
        for start in range(0, self.length, _ROWS):
            self._again(slice(start, min(start + _ROWS, self.length)), skip=rank)
        self.rank = rank

    def _advance(self, rank: int) -> None:
        """Keys from the last rank up to this one change sides; so do the genes as queries."""
        last = self.rank
        new = self._terms(self.above, last, rank)
        old = self._terms(self.below, last + 1, rank + 1)
        self.sums += new
        self.sums -= old
        self._put(self.above, last, rank)
        self._again(slice(last, rank), skip=rank)
        weight = self.sums[..., -1]
        lost = ~((weight > _LEAST) & (weight < _MOST)).all(dim=0)
        if lost.any():
            self._again(lost.nonzero()[:, 0], skip=rank)
        self.rank = rank

    def _put(self, side: _Side, start: int, stop: int) -> None:
        rows = slice(start, stop)
        self.now.hidden[rows] = side.hidden[rows]
        self.now.q[:, rows], self.now.k[:, rows] = side.q[:, rows], side.k[:, rows]
        self.now.v[:, rows] = side.v[:, rows]

    def _terms(self, side: _Side, start: int, stop: int) -> torch.Tensor:
        """What the keys ``start … stop − 1`` of ``side`` add to every row's sums."""
        logits = self.now.q @ side.k[:, start:stop].transpose(1, 2)
        return logits.sub_(self.top).exp_() @ side.v[:, start:stop]

    def _with_own(self, own: _Side, rank: int) -> torch.Tensor:
        """The sums with what stands at ``rank`` itself, however strong it is."""
        logits = self.now.q @ own.k[:, rank : rank + 1].transpose(1, 2)
        top = torch.maximum(self.top, logits)
        return self.sums * (self.top - top).exp() + (logits - top).exp() * own.v[:, rank : rank + 1]

    def _direct(
        self, rows: slice | torch.Tensor, skip: int = -1
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Sums of some rows over all present keys, and their largest logits."""
        logits = self.now.q[:, rows] @ self.now.k.transpose(1, 2)
        if skip >= 0:
            logits[..., skip] = -torch.inf
        top = logits.amax(dim=-1, keepdim=True)
        return logits.sub_(top).exp_() @ self.now.v, top

    def _again(self, rows: slice | torch.Tensor, skip: int) -> None:
        self.sums[:, rows], self.top[:, rows] = self._direct(rows, skip)


def _without(rows: torch.Tensor, index: int) -> torch.Tensor:
    return torch.cat([rows[:index], rows[index + 1 :]])
