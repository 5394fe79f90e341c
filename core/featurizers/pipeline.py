"""Several featurizers fitted together: from a table's pairs to the models' :class:`Inputs`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from safetensors.numpy import load_file, save_file

from core.errors import DataError
from core.featurizers.base import FEATURIZERS, Featurizer
from core.featurizers.categories import codes, known
from core.featurizers.inputs import Inputs
from core.featurizers.kernel_views import KERNEL, kernel_views

_STATE_FILE, _ARRAYS_FILE = "features.json", "features.safetensors"
_ARRAY = "__array__"


class FeaturePipeline:
    """Featurizers in the order chosen, with the codes of cell type and compound.

    Besides the chosen views it always adds those that kernel and neighbour models compare
    molecules by (:mod:`core.featurizers.kernel_views`); their branch is ``"kernel"``, so no
    network sees them.

    Parameters
    ----------
    specs
        ``(name, parameters)`` of registered featurizers; a name can occur once.
    seed
        Seed of cross-fitting.
    """

    def __init__(self, specs: Sequence[tuple[str, Mapping[str, Any]]], seed: int = 0) -> None:
        self.specs = [(name, dict(params)) for name, params in specs]
        self.seed = seed
        self._featurizers: dict[str, Featurizer] = {}
        for name, params in self.specs:
            kind = FEATURIZERS.get(name).value
            self._featurizers[name] = kind(kind.Params(**params), seed=seed)
        self._cell_types: list[str] = []
        self._compounds: list[str] = []

    def fit_transform(self, obs: pd.DataFrame, targets: np.ndarray) -> Inputs:
        """Fit on training rows and return their own inputs.

        Parameters
        ----------
        obs
            Training rows: ``cell_type``, ``sm_name``, ``SMILES``.
        targets
            Their responses, float32 ``(len(obs), n_genes)``.

        Raises
        ------
        DataError
            Naming a row whose SMILES cannot be read.
        """
        self._cell_types, self._compounds = known(obs["cell_type"]), known(obs["sm_name"])
        views = {
            name: featurizer.fit_transform(obs, targets)
            for name, featurizer in self._featurizers.items()
        }
        return self._inputs(obs, views)

    def transform(self, obs: pd.DataFrame) -> Inputs:
        """Inputs of any rows; codes are −1 for a cell type or compound never seen."""
        return self._inputs(
            obs, {name: featurizer.transform(obs) for name, featurizer in self._featurizers.items()}
        )

    def names(self) -> dict[str, list[str]]:
        """Column names of each chosen view."""
        return {name: featurizer.names for name, featurizer in self._featurizers.items()}

    def state(self) -> dict[str, Any]:
        """Everything needed to make the same inputs again: arrays and JSON-able values."""
        return {
            "specs": [[name, params] for name, params in self.specs],
            "seed": self.seed,
            "cell_types": self._cell_types,
            "compounds": self._compounds,
            "featurizers": {name: of.state() for name, of in self._featurizers.items()},
        }

    def restore(self, state: Mapping[str, Any]) -> Self:
        """Put the fitted state back; the inverse of :meth:`state`."""
        self.__init__(  # type: ignore[misc]
            [(name, params) for name, params in state["specs"]], int(state["seed"])
        )
        self._cell_types, self._compounds = list(state["cell_types"]), list(state["compounds"])
        for name, featurizer in self._featurizers.items():
            featurizer.restore(state["featurizers"][name])
        return self

    def save(self, folder: Path | str) -> None:
        """Write the fitted state into ``folder``: JSON, and its arrays as safetensors."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        arrays: dict[str, np.ndarray] = {}
        plain = _split(self.state(), "", arrays)
        save_file(arrays, folder / _ARRAYS_FILE)
        (folder / _STATE_FILE).write_text(json.dumps(plain, ensure_ascii=False))

    @classmethod
    def load(cls, folder: Path | str) -> FeaturePipeline:
        """Read back what :meth:`save` wrote.

        Raises
        ------
        DataError
            When the files are missing or do not belong together.
        """
        folder = Path(folder)
        try:
            plain = json.loads((folder / _STATE_FILE).read_text())
            arrays = load_file(folder / _ARRAYS_FILE)
            return cls([]).restore(_join(plain, arrays))
        except FileNotFoundError:
            raise DataError(f"No fitted features are saved in {folder}.") from None
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"The fitted features in {folder} are damaged: {error}.") from None

    def _inputs(self, obs: pd.DataFrame, views: dict[str, np.ndarray]) -> Inputs:
        branches = {name: featurizer.branch for name, featurizer in self._featurizers.items()}
        hidden = kernel_views(obs)
        return Inputs(
            cell_type=codes(obs["cell_type"], self._cell_types),
            compound=codes(obs["sm_name"], self._compounds),
            n_cell_types=len(self._cell_types),
            n_compounds=len(self._compounds),
            views=views | hidden,
            branches=branches | dict.fromkeys(hidden, KERNEL),
        )


def _split(value: Any, path: str, arrays: dict[str, np.ndarray]) -> Any:
    """``value`` with every array replaced by the name under which it is put in ``arrays``."""
    if isinstance(value, np.ndarray):
        arrays[path] = np.ascontiguousarray(value)
        return {_ARRAY: path}
    if isinstance(value, Mapping):
        return {str(key): _split(of, f"{path}/{key}", arrays) for key, of in value.items()}
    if isinstance(value, list | tuple):
        return [_split(of, f"{path}/{i}", arrays) for i, of in enumerate(value)]
    return value


def _join(value: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    """Inverse of :func:`_split`."""
    if isinstance(value, dict):
        if set(value) == {_ARRAY}:
            return arrays[value[_ARRAY]]
        return {key: _join(of, arrays) for key, of in value.items()}
    if isinstance(value, list):
        return [_join(of, arrays) for of in value]
    return value
