"""The rank-value encoded transformer (Geneformer's layout): model, checkpoints, knock-outs."""

from core.models.rank_transformer.checkpoint import (
    fingerprint,
    from_bert_weights,
    read_checkpoint,
    to_bert_weights,
    write_checkpoint,
)
from core.models.rank_transformer.config import RankTransformerConfig
from core.models.rank_transformer.embedding import embed_cells
from core.models.rank_transformer.knockout import (
    KnockoutResult,
    estimate_seconds,
    knock_out,
    over_express_new,
)
from core.models.rank_transformer.modes import MODE_HELP, Mode
from core.models.rank_transformer.network import RankTransformer

__all__ = [
    "MODE_HELP",
    "KnockoutResult",
    "Mode",
    "RankTransformer",
    "RankTransformerConfig",
    "embed_cells",
    "estimate_seconds",
    "fingerprint",
    "from_bert_weights",
    "knock_out",
    "over_express_new",
    "read_checkpoint",
    "to_bert_weights",
    "write_checkpoint",
]
