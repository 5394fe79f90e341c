"""Readers: from the layout of a file to a raw table or an AnnData."""
