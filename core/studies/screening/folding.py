"""Models whose response is linear in what their last step sees, and what that allows.

Every model of the house ends in ``r = o + H A``: a network in its last layer (times the basis of
a low-rank head), kernel, neighbour and forest models in mixtures ``W Y`` of training rows, ridge
in its coefficients. The score of a response with a weighted signature ``s`` is then
``o·s + H (A s)``, exactly, and needs no response; the norm that a cosine divides by follows from
the Gram matrix ``A Aᵀ``.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import nn

from core.models.base import ResponseModel
from core.models.constant import ConstantModel, GroupMeanModel
from core.models.forest import Forest
from core.models.inputs import Inputs
from core.models.kernel_ridge import KernelRidge
from core.models.memory import MemoryModel
from core.models.ridge import Ridge
from core.training.estimator import TorchResponseModel
from core.training.target import LowRankHead

_COLUMNS = 2048


@dataclass(frozen=True)
class LinearView:
    """A model as ``o + H A``.

    Attributes
    ----------
    hidden
        From inputs of ``n`` pairs to ``H``, ``(n, k)``.
    basis
        ``A``, float32 ``(k, n_genes)``.
    offset
        ``o``, float32 ``(n_genes,)``.
    """

    hidden: Callable[[Inputs], np.ndarray]
    basis: np.ndarray
    offset: np.ndarray


def linear_view(model: ResponseModel) -> LinearView | None:
    """The linear end of a fitted model, or None for one that we do not know."""
    if isinstance(model, TorchResponseModel):
        return _network(model)
    state = model.state()
    if isinstance(model, MemoryModel):
        responses = state["responses"]
        offset = state["mean"] if isinstance(model, KernelRidge) else _zeros(responses)
        return LinearView(model.mixtures, responses, offset)
    if isinstance(model, Forest):
        return _forest(model, state)
    if isinstance(model, Ridge):
        return LinearView(_Ridge(state), state["coefficients"], state["mean"])
    if isinstance(model, ConstantModel):
        response = state["response"]
        empty = np.zeros((0, len(response)), dtype=np.float32)
        return LinearView(lambda inputs: np.zeros((len(inputs), 0)), empty, response)
    if isinstance(model, GroupMeanModel):
        responses = state["responses"]
        identity = np.eye(len(responses), dtype=np.float32)
        group = model.group
        return LinearView(lambda inputs: identity[group(inputs)[0]], responses, _zeros(responses))
    return None


def _zeros(responses: np.ndarray) -> np.ndarray:
    return np.zeros(responses.shape[1], dtype=np.float32)


def _network(model: TorchResponseModel) -> LinearView | None:
    network, head = model.network, model.head
    if network is None or head is None:
        return None
    weight = network.output.weight.detach().cpu().numpy()
    bias = network.output.bias.detach().cpu().numpy()
    if isinstance(head, LowRankHead):
        spread = head.scale[:, None] * head.basis.T
        basis, offset = weight.T @ spread, head.center + bias @ spread
    else:
        basis, offset = weight.T, bias
    body = copy.deepcopy(network)
    body.output = nn.Identity()  # type: ignore[assignment]
    body.eval()

    @torch.no_grad()
    def hidden(inputs: Inputs) -> np.ndarray:
        return body(model.batch(inputs)).float().cpu().numpy()

    return LinearView(hidden, np.ascontiguousarray(basis), offset.astype(np.float32))


def _forest(model: Forest, state: dict[str, np.ndarray]) -> LinearView:
    centers = state["centers"]
    share = 1.0 - model.params.shrinkage
    identity = np.eye(len(centers))

    def hidden(inputs: Inputs) -> np.ndarray:
        return np.concatenate([identity[inputs.cell_type], share * model.mixtures(inputs)], axis=1)

    return LinearView(hidden, np.concatenate([centers, state["residuals"]]), _zeros(centers))


class _Ridge:
    """Standardised features of a ridge model."""

    def __init__(self, state: dict[str, np.ndarray]) -> None:
        self.state = state

    def __call__(self, inputs: Inputs) -> np.ndarray:
        blocks = [
            (block - self.state[f"center_{name}"]) * self.state[f"scale_{name}"]
            for name, block in (("cell", inputs.cell), ("molecule", inputs.molecule))
        ]
        return np.concatenate(blocks, axis=1)


def _whole(model: ResponseModel, n_genes: int) -> LinearView:
    """A model that we cannot fold: its response is its own last step."""
    identity = np.eye(n_genes, dtype=np.float32)
    return LinearView(model.predict, identity, np.zeros(n_genes, dtype=np.float32))


@dataclass
class FoldedEnsemble:
    """Several linear views with the weights of their ensemble.

    Attributes
    ----------
    views, weights
        One of each a member; members of weight 0 still count in nothing.
    names
        Members by name.
    """

    views: list[LinearView]
    weights: np.ndarray
    names: list[str]

    @classmethod
    def of(cls, members: dict[str, ResponseModel], weights: np.ndarray) -> FoldedEnsemble:
        """Fold the members whose weight is not zero."""
        used = [
            (name, model, float(weight))
            for (name, model), weight in zip(members.items(), weights, strict=True)
            if abs(weight) > 1e-9
        ]
        known = [(name, linear_view(model), model, weight) for name, model, weight in used]
        n_genes = next((len(view.offset) for _, view, _, _ in known if view is not None), 0)
        if n_genes == 0:
            raise ValueError("none of the members can be folded")
        views = [view or _whole(model, n_genes) for _, view, model, _ in known]
        return cls(views, np.array([weight for *_, weight in known]), [name for name, *_ in known])

    @property
    def n_genes(self) -> int:
        """Genes of a response."""
        return len(self.views[0].offset)

    def hidden(self, inputs: Inputs) -> list[np.ndarray]:
        """``H`` of every member, float32 or float64 ``(n, k)``."""
        return [view.hidden(inputs) for view in self.views]

    def fold(self, signatures: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """``(o·S, A S)`` of every member, float64, for signatures ``(n_genes, m)``."""
        return [
            (view.offset.astype(np.float64) @ signatures, _product(view.basis, signatures))
            for view in self.views
        ]

    @cached_property
    def grams(self) -> list[np.ndarray]:
        """Gram matrix of ``[o; A]`` of every member, float64 ``(k + 1, k + 1)``."""
        return [_gram(np.vstack([view.offset, view.basis])) for view in self.views]

    @cached_property
    def gram(self) -> np.ndarray:
        """Gram matrix of the joined ``[Σ w o; w₁A₁; w₂A₂; …]``, float64."""
        offset = sum(w * view.offset for w, view in zip(self.weights, self.views, strict=True))
        rows = [w * view.basis for w, view in zip(self.weights, self.views, strict=True)]
        return _gram(np.vstack([np.asarray(offset), *rows]))

    def norms(self, hidden: list[np.ndarray]) -> np.ndarray:
        """Euclidean norm of the joined response of each pair, float64 ``(n,)``, from the Gram."""
        joined = np.concatenate([np.ones((len(hidden[0]), 1)), *hidden], axis=1)
        return _norm(joined, self.gram)

    def member_norms(self, hidden: list[np.ndarray]) -> np.ndarray:
        """Norms of each member's own response, float64 ``(n_members, n)``."""
        ones = np.ones((len(hidden[0]), 1))
        return np.stack(
            [
                _norm(np.concatenate([ones, h], axis=1), gram)
                for h, gram in zip(hidden, self.grams, strict=True)
            ]
        )

    def responses(self, hidden: list[np.ndarray]) -> list[np.ndarray]:
        """Every member's response the long way, float32 ``(n, n_genes)``."""
        return [
            np.asarray(view.offset + h.astype(np.float32) @ view.basis, dtype=np.float32)
            for h, view in zip(hidden, self.views, strict=True)
        ]

    def join(self, values: list[np.ndarray]) -> np.ndarray:
        """Weighted sum over the members."""
        return np.asarray(sum(w * v for w, v in zip(self.weights, values, strict=True)))


def _product(basis: np.ndarray, signatures: np.ndarray) -> np.ndarray:
    """``A S`` in float64, a block of columns of ``A`` at a time; ``S`` may be sparse."""
    total = np.zeros((basis.shape[0], signatures.shape[1]))
    for start in range(0, basis.shape[1], _COLUMNS):
        part = slice(start, start + _COLUMNS)
        total += np.asarray((signatures[part].T @ basis[:, part].T.astype(np.float64)).T)
    return total


def _gram(rows: np.ndarray) -> np.ndarray:
    total = np.zeros((len(rows), len(rows)))
    for start in range(0, rows.shape[1], _COLUMNS):
        block = rows[:, start : start + _COLUMNS].astype(np.float64)
        total += block @ block.T
    return total


def _norm(joined: np.ndarray, gram: np.ndarray) -> np.ndarray:
    squares = np.einsum("ij,ij->i", joined @ gram, joined)
    return np.sqrt(np.maximum(squares, 0.0))
