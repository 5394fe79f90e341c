"""One trainer for every torch network: device, precision, early stopping, checkpoints, resume."""

from core.training.device import resolve_device
from core.training.estimator import TorchResponseModel
from core.training.trainer import Trainer, TrainingOptions

__all__ = ["TorchResponseModel", "Trainer", "TrainingOptions", "resolve_device"]
