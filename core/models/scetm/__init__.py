"""The single-cell embedded topic model (Zhao et al., *Nat. Commun.* 12, 5261, 2021)."""

from core.models.scetm.fitting import TopicModel, TopicOptions
from core.models.scetm.network import EmbeddedTopicModel

__all__ = ["EmbeddedTopicModel", "TopicModel", "TopicOptions"]
