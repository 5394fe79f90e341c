"""Simulated data sets, always labelled as such."""

from core.data.simulation.op2 import simulate_op2

__all__ = ["simulate_op2"]
