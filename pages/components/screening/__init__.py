"""Parts of the screening page: what is screened, with what, for what; and what came out."""
