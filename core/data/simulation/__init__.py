"""Simulated data sets; whatever shows them must say that they are simulated."""

from core.data.simulation.op2 import simulate_op2

__all__ = ["simulate_op2"]
