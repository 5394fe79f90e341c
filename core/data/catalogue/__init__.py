"""The catalogue: one module a family of data sets, found by themselves."""
