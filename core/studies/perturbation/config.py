"""Configuration of the perturbation study: one place for form, CLI options and run parameters."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import Field, field_validator, model_validator

from core.featurizers.base import FEATURIZERS
from core.models.base import MODELS
from core.studies.base import StudyConfig


class Scheme(StrEnum):
    """How training pairs are split into folds."""

    RANDOM = "random"
    COMPOUND = "leave-compound-out"
    SCAFFOLD = "scaffold"
    COMPETITION = "competition"


class Loss(StrEnum):
    """Training losses of the networks."""

    MRRMSE = "mrrmse"
    MSE = "mse"
    MAE = "mae"
    LOG_COSH = "log-cosh"
    MIX = "mix"


class Schedule(StrEnum):
    """Learning-rate schedules."""

    CONSTANT = "constant"
    COSINE = "cosine"
    ONE_CYCLE = "one-cycle"


class Precision(StrEnum):
    """Arithmetic of training."""

    AUTO = "auto"
    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"


class ValidationConfig(StudyConfig):
    """How the study judges its models on rows they were not trained on."""

    scheme: Scheme = Field(
        Scheme.COMPETITION,
        title="Scheme",
        description="random: pairs at random; leave-compound-out: a compound is wholly in or out; "
        "scaffold: a Murcko scaffold is wholly in or out; competition: compounds known in T and "
        "NK cells are held out in B and myeloid cells.",
    )
    n_folds: int = Field(5, ge=2, le=20, title="Folds", description="Number of folds.")
    seed: int = Field(0, ge=0, title="Fold seed", description="Seed of the split.")


class TrainingConfig(StudyConfig):
    """How networks are trained."""

    epochs: int = Field(100, ge=1, le=10_000, title="Epochs", description="Most epochs a fold.")
    batch_size: int = Field(64, ge=2, le=4096, title="Batch size", description="Pairs a step.")
    learning_rate: float = Field(
        1e-3, gt=0, le=1, title="Learning rate", description="Peak learning rate of AdamW."
    )
    weight_decay: float = Field(
        1e-4, ge=0, le=1, title="Weight decay", description="Decoupled weight decay of AdamW."
    )
    loss: Loss = Field(
        Loss.MRRMSE,
        title="Loss",
        description="mrrmse is the competition's own metric; mix averages it with MAE.",
    )
    schedule: Schedule = Field(
        Schedule.COSINE, title="Schedule", description="Learning rate over the epochs."
    )
    patience: int = Field(
        20, ge=0, title="Patience", description="Stop after so many epochs without gain; 0: never."
    )
    stopping_share: float = Field(
        0.1,
        ge=0,
        lt=0.5,
        title="Stopping rows",
        description="Share of a fold's training pairs, chosen by the same scheme, that decide when "
        "to stop; the held-out pairs stay unseen. With 0, or patience 0, the last epoch counts.",
    )
    average_epochs: int = Field(
        5,
        ge=1,
        le=100,
        title="Averaged epochs",
        description="Judge and keep the mean of the weights of so many latest epochs; 1: those of "
        "the epoch itself.",
    )
    precision: Precision = Field(
        Precision.AUTO,
        title="Precision",
        description="auto: bfloat16 on a GPU that has it, float32 elsewhere.",
    )
    device: str = Field(
        "auto",
        pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$",
        title="Device",
        description="auto: the installation's setting, else a GPU where there is one.",
    )
    seed: int = Field(0, ge=0, title="Model seed", description="Seed of weights and batches.")


class TargetConfig(StudyConfig):
    """What is done to the responses before a model sees them; all fitted on training rows."""

    clip: float | None = Field(
        None,
        gt=0,
        title="Clip",
        description="Clip training responses to ± this value; scores always use raw responses.",
    )
    second_clip: float | None = Field(
        None,
        gt=0,
        title="Second clip",
        description="Fit every chosen model once more, to responses clipped to ± this value; the "
        "ensemble's weights, fitted on out-of-fold predictions, say how much each clip counts.",
    )
    robust_weights: bool = Field(
        False,
        title="Robust row weights",
        description="Weight training rows down by their norm, so that a few strong rows do not "
        "carry the fit.",
    )
    n_components: int | None = Field(
        None,
        ge=1,
        le=2048,
        title="Low-rank head",
        description="Predict so many components of a truncated SVD (fitted on the training fold) "
        "instead of every gene; empty: all genes.",
    )

    @model_validator(mode="after")
    def _clips_differ(self) -> TargetConfig:
        if self.clip is not None and self.clip == self.second_clip:
            raise ValueError("the second clip must differ from the first")
        return self


class ModelConfig(StudyConfig):
    """One model of the run and its own parameters."""

    name: str = Field("mlp", title="Model", description="A registered model.")
    params: dict[str, Any] = Field(
        default_factory=dict, title="Parameters", description="Parameters of that model."
    )

    @model_validator(mode="after")
    def _check(self) -> ModelConfig:
        entry = MODELS.get(self.name)
        entry.value.Params(**self.params)
        return self


class FeatureConfig(StudyConfig):
    """One featurizer and its own parameters."""

    name: str = Field("morgan", title="Featurizer", description="A registered featurizer.")
    params: dict[str, Any] = Field(
        default_factory=dict, title="Parameters", description="Parameters of that featurizer."
    )

    @model_validator(mode="after")
    def _check(self) -> FeatureConfig:
        entry = FEATURIZERS.get(self.name)
        entry.value.Params(**self.params)
        return self


DEFAULT_FEATURES = ("onehot", "target_statistics", "fragments", "morgan")


class PerturbationConfig(StudyConfig):
    """The perturbation study: predict the response of genes in (cell type, compound) pairs."""

    name: str = Field(
        "", max_length=80, title="Run name", description="A name you will recognise; optional."
    )
    dataset: str = Field("op2-demo", title="Data set", description="A perturbation table.")
    features: tuple[FeatureConfig, ...] = Field(
        tuple(FeatureConfig.model_construct(name=name, params={}) for name in DEFAULT_FEATURES),
        min_length=1,
        title="Features",
        description="What the models see of a pair.",
    )
    models: tuple[ModelConfig, ...] = Field(
        (ModelConfig.model_construct(name="mlp", params={}),),
        min_length=1,
        title="Models",
        description="One model, or several that are also joined in an ensemble whose weights are "
        "fitted on out-of-fold predictions.",
    )
    validation: ValidationConfig = Field(ValidationConfig(), title="Validation")
    training: TrainingConfig = Field(TrainingConfig(), title="Training")
    target: TargetConfig = Field(TargetConfig(), title="Target")
    final_fit: bool = Field(
        True,
        title="Final fit",
        description="Fit once more on all training rows, to predict the test rows and new "
        "molecules.",
    )

    @field_validator("features")
    @classmethod
    def _features_once(cls, value: tuple[FeatureConfig, ...]) -> tuple[FeatureConfig, ...]:
        names = [feature.name for feature in value]
        if len(set(names)) < len(names):
            raise ValueError("each featurizer can be chosen once")
        return value

    @field_validator("models")
    @classmethod
    def _models_labelled(cls, value: tuple[ModelConfig, ...]) -> tuple[ModelConfig, ...]:
        keys = [model.model_dump_json() for model in value]
        if len(set(keys)) < len(keys):
            raise ValueError("two models have the same name and parameters")
        return value
