"""Models that predict the expression of all genes from that of a few, cell by cell."""
