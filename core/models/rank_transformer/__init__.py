"""The rank-value encoded transformer (Geneformer's layout): model, checkpoints, knock-outs."""

from core.models.rank_transformer.checkpoint import (
    fingerprint,
    from_bert_weights,
    read_checkpoint,
    to_bert_weights,
    write_checkpoint,
)
from core.models.rank_transformer.config import RankTransformerConfig
from core.models.rank_transformer.network import RankTransformer

__all__ = [
    "RankTransformer",
    "RankTransformerConfig",
    "fingerprint",
    "from_bert_weights",
    "read_checkpoint",
    "to_bert_weights",
    "write_checkpoint",
]
