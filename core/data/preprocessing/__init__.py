"""From raw counts to log-normalised expression: cut-offs, presets, steps, and their script."""

from core.data.preprocessing.config import PRESETS, Preprocessing
from core.data.preprocessing.counts import counts_of, has_counts
from core.data.preprocessing.quality import cut_offs, mitochondrial, quality
from core.data.preprocessing.run import Preprocessed, preprocess
from core.data.preprocessing.script import scanpy_script

__all__ = [
    "PRESETS",
    "Preprocessed",
    "Preprocessing",
    "counts_of",
    "cut_offs",
    "has_counts",
    "mitochondrial",
    "preprocess",
    "quality",
    "scanpy_script",
]
