"""Robust kernel ridge regression: MRRMSE itself as the loss."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from core.models.base import MODELS, Params
from core.models.inputs import Inputs
from core.models.kernels import cell_kernel, kernel_views, molecule_kernel
from core.models.memory import MemoryModel
from core.models.row_space import distances, median_mixture, row_gram

#: Weight of the constant kernel: large against the others, so that the intercept is not shrunken.
INTERCEPT = 100.0


class KernelRidgeParams(Params):
    """Kernel, penalty and robustness."""

    power: int = Field(
        2, ge=1, le=16, title="Power", description="Power of the Tanimoto kernel: higher is local."
    )
    penalty: float = Field(
        1.0, gt=0, le=1e6, title="Penalty", description="Ridge penalty on the row of median weight."
    )
    robustness: float = Field(
        0.75,
        ge=0,
        le=1,
        title="Robustness",
        description="A row weighs 1 / error to this power: 0 is ordinary kernel ridge (squared "
        "errors), 1 minimises the mean row error, MRRMSE.",
    )
    other_cell_types: float = Field(
        0.5,
        ge=0,
        le=1,
        title="Other cell types",
        description="How alike a molecule's effects in two cell types are taken to be.",
    )
    n_iterations: int = Field(
        4, ge=1, le=100, title="Iterations", description="Rounds of reweighting."
    )


@MODELS.register(
    "kernel_ridge",
    label="Robust kernel ridge",
    help="Kernel ridge regression on molecules (Tanimoto) × cell types whose rows are reweighted "
    "until the mean row error, not the squared error, is least.",
    kind="classical",
)
class KernelRidge(MemoryModel):
    """Iteratively reweighted kernel ridge regression with row weights ``1 / errorᵢ``.

    Minimises ``Σ ‖yᵢ − f(xᵢ)‖ + λ ‖f‖²`` in the kernel's space; the errors that weigh the rows
    are leave-one-out errors, in closed form, because those of the fit itself vanish for strong
    rows. With several cell types the kernel is the molecule kernel times the cell kernel, plus a
    kernel of the cell type alone (its mean response).
    """

    Params = KernelRidgeParams

    def learn(self, inputs: Inputs, targets: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Coefficients of the training pairs, ``(n, n_genes)``."""
        kernel = self.mixtures(inputs)
        gram, mean = row_gram(targets)
        coefficients = self._solve(kernel, gram, weights)
        # The rows were centered for the Gram matrix only: the intercept takes the mean along.
        self._mean = mean
        return coefficients.astype(np.float32) @ (targets - mean)

    def _solve(self, kernel: np.ndarray, gram: np.ndarray, base: np.ndarray) -> np.ndarray:
        """``(K + λ W⁻¹)⁻¹`` with the last weights ``W``."""
        base = base / np.median(base)
        errors = distances(gram, median_mixture(gram, base))
        for _ in range(self.params.n_iterations):
            errors = np.maximum(errors, 1e-3 * np.median(errors) + 1e-12)
            weights = base * (np.median(errors) / errors) ** self.params.robustness
            penalised = kernel + np.diag(self.params.penalty / weights)
            inverse = np.linalg.inv(penalised)
            hat = kernel @ inverse
            errors = distances(gram, hat) / np.maximum(1.0 - np.diag(hat), 0.05)
        return inverse

    def mixtures(self, inputs: Inputs) -> np.ndarray:
        """Kernel between pairs and training pairs, float64 ``(n, n_train)``."""
        kernel = molecule_kernel(kernel_views(inputs), self._views) ** self.params.power
        if self._n_cell_types > 1:
            same = cell_kernel(inputs.cell_type, self._cell_type, 0.0)
            between = self.params.other_cell_types
            kernel = kernel * (between + (1.0 - between) * same) + same
        return kernel + INTERCEPT

    def predict(self, inputs: Inputs) -> np.ndarray:
        """Predicted responses, float32 ``(n, n_genes)``."""
        return super().predict(inputs) + self._mean

    def state(self) -> dict[str, np.ndarray]:
        """Training pairs, coefficients and the mean of the training rows."""
        return super().state() | {"mean": self._mean}

    def restore(self, state: dict[str, np.ndarray]) -> KernelRidge:
        """Put the fitted arrays back."""
        self._mean = state["mean"]
        super().restore(state)
        return self
