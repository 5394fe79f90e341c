"""The data room: named data sets, fetching, reading, validation, import, simulation."""

from core.data.importing import ImportReport, import_file
from core.data.readers.competition import read_competition_table, write_competition_parquet
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
    require_ready,
    save_perturbation,
)

__all__ = [
    "DATASETS",
    "DataSet",
    "DataSetStatus",
    "ImportReport",
    "PerturbationTable",
    "get_dataset",
    "import_file",
    "list_datasets",
    "load_cells",
    "load_perturbation",
    "prepare",
    "read_competition_table",
    "remove",
    "require_ready",
    "save_perturbation",
    "write_competition_parquet",
]
