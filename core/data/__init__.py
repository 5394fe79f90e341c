"""The data room: named data sets, fetching, reading, validation, import, simulation."""

from core.data.registry import DATASETS, DataSet
from core.data.table import PerturbationTable
from core.data.workspace import (
    DataSetStatus,
    get_dataset,
    list_datasets,
    load_cells,
    load_perturbation,
    prepare,
    remove,
    save_perturbation,
)

__all__ = [
    "DATASETS",
    "DataSet",
    "DataSetStatus",
    "PerturbationTable",
    "get_dataset",
    "list_datasets",
    "load_cells",
    "load_perturbation",
    "prepare",
    "remove",
    "save_perturbation",
]
