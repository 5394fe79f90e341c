"""The landmark study: a few genes that predict all the others."""
