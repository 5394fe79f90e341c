"""The encoder: BERT with learned absolute positions and post-norm, in plain torch."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from core.errors import ConfigError
from core.models.rank_transformer.config import RankTransformerConfig


class EncoderLayer(nn.Module):
    """Self-attention and feed-forward, each followed by residual and layer norm (post-norm)."""

    def __init__(self, config: RankTransformerConfig) -> None:
        super().__init__()
        width, eps = config.hidden_size, config.layer_norm_eps
        self.n_heads, self.head_size = config.num_attention_heads, config.head_size
        self.act = F.relu if config.hidden_act == "relu" else F.gelu
        self.qkv = nn.Linear(width, 3 * width)
        self.attention_output = nn.Linear(width, width)
        self.attention_norm = nn.LayerNorm(width, eps)
        self.intermediate = nn.Linear(width, config.intermediate_size)
        self.output = nn.Linear(config.intermediate_size, width)
        self.output_norm = nn.LayerNorm(width, eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, hidden: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """``(b, l, d)`` to ``(b, l, d)``; ``mask`` is boolean ``(b, 1, 1, l)``, true: attended."""
        b, length, width = hidden.shape
        q, k, v = self.project(hidden)
        # no dropout of attention weights: it would rule out the fused kernels on a CPU
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        return self.after_attention(hidden, mixed.transpose(1, 2).reshape(b, length, width))

    def project(self, hidden: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Queries, keys and values, each ``(b, heads, l, head size)``."""
        b, length, _ = hidden.shape
        joint = self.qkv(hidden).view(b, length, 3, self.n_heads, self.head_size)
        q, k, v = joint.permute(2, 0, 3, 1, 4).unbind(0)
        return q, k, v

    def after_attention(self, hidden: torch.Tensor, mixed: torch.Tensor) -> torch.Tensor:
        """All of the layer that follows the attention: both ``(…, d)`` to ``(…, d)``."""
        attended = self.dropout(self.attention_output(mixed))
        hidden = self.attention_norm(attended + hidden)
        inner = self.output(self.act(self.intermediate(hidden)))
        return self.output_norm(self.dropout(inner) + hidden)


class RankTransformer(nn.Module):
    """A cell's genes in the order of their rank, to one embedding a gene.

    Parameters
    ----------
    config
        Its shape.

    Notes
    -----
    BERT's token types are one constant here, which a loaded checkpoint adds to the positions.
    The masked-token head ties its weights to the token embeddings.
    """

    def __init__(self, config: RankTransformerConfig) -> None:
        super().__init__()
        self.config = config
        width = config.hidden_size
        self.tokens = nn.Embedding(config.vocab_size, width)
        self.positions = nn.Embedding(config.max_position_embeddings, width)
        self.embedding_norm = nn.LayerNorm(width, config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.layers = nn.ModuleList(EncoderLayer(config) for _ in range(config.num_hidden_layers))
        self.head_transform = nn.Linear(width, width)
        self.head_norm = nn.LayerNorm(width, config.layer_norm_eps)
        self.head_bias = nn.Parameter(torch.zeros(config.vocab_size))
        self.head_act = F.relu if config.hidden_act == "relu" else F.gelu
        #: Whether the masked-token head has weights of a training; a bare encoder has none.
        self.has_head = True
        self._initialise()

    def _initialise(self) -> None:
        """Start as BERT does: normal weights, zero biases."""
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, std=self.config.initializer_range)
            if isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)
        with torch.no_grad():
            self.tokens.weight[self.config.pad_token_id].zero_()

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.tokens.weight.device

    @property
    def n_layers(self) -> int:
        """Encoder layers."""
        return self.config.num_hidden_layers

    def embed(self, tokens: torch.Tensor, positions: torch.Tensor | None = None) -> torch.Tensor:
        """Normed sum of token and position embeddings, ``(…, l)`` to ``(…, l, d)``."""
        length = tokens.shape[-1]
        longest = self.config.max_position_embeddings
        if positions is None:
            if length > longest:
                raise ConfigError(
                    f"A cell of {length:,} genes is too long: the model takes {longest:,}."
                )
            positions = torch.arange(length, device=tokens.device)
        return self.dropout(self.embedding_norm(self.tokens(tokens) + self.positions(positions)))

    def forward(
        self,
        tokens: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        *,
        layer: int | None = None,
    ) -> torch.Tensor:
        """Embed each gene in its cell.

        Parameters
        ----------
        tokens
            int64 ``(b, l)``, highest rank first.
        attention_mask
            ``(b, l)``, true or 1 where a token is attended to; ``None``: everywhere.
        position_ids
            int64 ``(b, l)`` or ``(l,)``; default: 0, 1, 2 …
        layer
            Read after this many layers (1 … ``n_layers``); default: after the last one.

        Returns
        -------
        torch.Tensor
            ``(b, l, d)``.
        """
        hidden = self.embed(tokens, position_ids)
        mask = None if attention_mask is None else attention_mask.bool()[:, None, None, :]
        for block in self.layers[: resolve_layer(self, layer)]:
            hidden = block(hidden, mask)
        return hidden

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """Masked-token scores, ``(…, d)`` to ``(…, vocab_size)``."""
        if not self.has_head:
            raise ConfigError("This checkpoint is a bare encoder: it has no masked-token head.")
        inner = self.head_norm(self.head_act(self.head_transform(hidden)))
        return F.linear(inner, self.tokens.weight, self.head_bias)


def resolve_layer(model: RankTransformer, layer: int | None) -> int:
    """Number of layers after which embeddings are read.

    Raises
    ------
    ConfigError
        If the model has no such layer.
    """
    if layer is None:
        return model.n_layers
    if not 1 <= layer <= model.n_layers:
        raise ConfigError(f"There is no layer {layer}: the model has layers 1 to {model.n_layers}.")
    return layer
