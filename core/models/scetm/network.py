"""The network of scETM: an encoder of cells to topics, a decoder that is linear in embeddings."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

#: Bounds of the logarithm of the posterior's variance.
_LOG_VARIANCE = (-10.0, 10.0)


class EmbeddedTopicModel(nn.Module):
    """Cells as mixtures of topics; topics and genes in one embedding space.

    ``δ ~ N(μ(y), σ²(y))``, ``θ = softmax(δ)``, expected shares of the genes
    ``softmax(θ α ρ + λ_batch)`` (Zhao et al. 2021, equations 1 to 5).

    Parameters
    ----------
    n_genes, n_batches, n_topics, n_embedding
        Sizes; ``n_embedding`` is the length of a gene's embedding.
    n_hidden, n_layers, dropout
        Of the encoder: each layer is linear, ReLU, batch norm, dropout.
    log_variance
        Of the posterior of δ before training, all but the same for every cell; None: near 0.
    pathways
        Fixed rows of ρ, float ``(n_pathways, n_genes)`` (gene-set membership), or None. They are
        not trained; ``n_embedding`` more rows are.
    """

    def __init__(
        self,
        n_genes: int,
        n_batches: int,
        *,
        n_topics: int = 50,
        n_embedding: int = 400,
        n_hidden: int = 128,
        n_layers: int = 2,
        dropout: float = 0.1,
        log_variance: float | None = None,
        pathways: torch.Tensor | None = None,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        width = n_genes
        for _ in range(n_layers):
            layers += [nn.Linear(width, n_hidden), nn.ReLU()]
            layers += [nn.BatchNorm1d(n_hidden), nn.Dropout(dropout)]
            width = n_hidden
        self.encoder = nn.Sequential(*layers)
        self.mu = nn.Linear(width, n_topics)
        self.log_variance = nn.Linear(width, n_topics)
        if log_variance is not None:
            with torch.no_grad():
                self.log_variance.weight *= 0.1
                self.log_variance.bias.fill_(log_variance)
        n_fixed = 0 if pathways is None else len(pathways)
        scale = (n_fixed + n_embedding) ** -0.5
        self.alpha = nn.Parameter(torch.randn(n_topics, n_fixed + n_embedding) * scale)
        self.rho = nn.Parameter(torch.randn(n_embedding, n_genes) * scale)
        self.lambda_ = nn.Parameter(torch.zeros(n_batches, n_genes))
        self.pathways: torch.Tensor | None
        self.register_buffer("pathways", pathways)

    @property
    def gene_embedding(self) -> torch.Tensor:
        """ρ, ``(n_pathways + n_embedding, n_genes)``."""
        if self.pathways is None:
            return self.rho
        return torch.cat([self.pathways, self.rho])

    def topic_genes(self) -> torch.Tensor:
        """``α ρ``: how much each topic raises each gene, ``(n_topics, n_genes)``."""
        return self.alpha @ self.gene_embedding

    def encode(self, shares: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and log variance of δ, ``(n, n_topics)`` each, of genes' shares ``(n, n_genes)``."""
        hidden = self.encoder(shares)
        return self.mu(hidden), self.log_variance(hidden).clamp(*_LOG_VARIANCE)

    def log_shares(self, delta: torch.Tensor, batch: torch.Tensor) -> torch.Tensor:
        """Logarithm of the expected shares, ``(n, n_genes)``."""
        theta = functional.softmax(delta, dim=1)
        # The gradient of an embedding is added up much faster than that of an index.
        shift = functional.embedding(batch, self.lambda_)
        return functional.log_softmax(theta @ self.topic_genes() + shift, dim=1)

    def negative_elbo(
        self, shares: torch.Tensor, targets: torch.Tensor, batch: torch.Tensor, kl_weight: float
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Loss, and its two terms: negative log-likelihood a read, and KL divergence a cell.

        ``shares`` are what the encoder sees, ``targets`` what the decoder is to explain; each
        row of ``targets`` sums to 1, so that every cell weighs the same whatever its depth.
        """
        mu, log_variance = self.encode(shares)
        delta = mu
        if self.training:
            delta = mu + torch.randn_like(mu) * torch.exp(0.5 * log_variance)
        likelihood = (targets * self.log_shares(delta, batch)).sum(dim=1).mean()
        divergence = 0.5 * (mu**2 + log_variance.exp() - 1 - log_variance).sum(dim=1).mean()
        return kl_weight * divergence - likelihood, -likelihood, divergence
