"""Gene selectors: which few genes stand for all of them."""

from core.models.selectors.base import SELECTORS, GeneSelector, Selection

__all__ = ["SELECTORS", "GeneSelector", "Selection"]
