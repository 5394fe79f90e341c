"""The models' view of :mod:`core.featurizers.inputs`, where :class:`Inputs` is defined."""

from core.featurizers.inputs import BRANCHES, CELL, MOLECULE, Inputs

__all__ = ["BRANCHES", "CELL", "MOLECULE", "Inputs"]
