"""The pretraining study on a tiny workspace, whole and broken off."""

from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from core.data import import_file
from core.errors import CancelledError, ConfigError, DataError
from core.featurizers.rank_value import encode
from core.models.rank_transformer import fingerprint
from core.models.rank_transformer.demonstration import load_model
from core.settings import Settings
from core.studies.base import STUDIES, StudyContext
from core.studies.rank_pretraining.config import (
    RankModelConfig,
    RankPretrainingConfig,
    RankTrainingConfig,
)

CONFIG = RankPretrainingConfig(
    dataset="tiny",
    label_key="kind",
    min_cells=2,
    min_genes=5,
    held_out=0.2,
    judged_cells=10,
    model=RankModelConfig(layers=1, width=16, heads=2, feedforward=16, max_length=64),
    training=RankTrainingConfig(epochs=3, batch_size=16, sample_genes=16, long_share=0.0),
)


@pytest.fixture
def workspace(settings: Settings, tmp_path: Path) -> Settings:
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 2, 150)
    rates = np.where(kind[:, None] == (np.arange(50) // 25)[None], 4.0, 0.2)
    cells = anndata.AnnData(
        sparse.csr_matrix(rng.poisson(rates).astype(np.float32)),
        obs=pd.DataFrame({"kind": np.array(["B", "T"])[kind]}, index=[f"c{i}" for i in range(150)]),
        var=pd.DataFrame(index=[f"GENE{i}" for i in range(50)]),
    )
    cells.write_h5ad(tmp_path / "tiny.h5ad")
    import_file(tmp_path / "tiny.h5ad", id="tiny", settings=settings)
    return settings


def test_study_from_start_to_loaded_model(workspace: Settings, tmp_path: Path) -> None:
    study = STUDIES.get("rank-pretraining").value
    epochs: list[dict[str, object]] = []
    context = StudyContext(tmp_path / "run", workspace, on_epoch=epochs.append)
    result = study.run(CONFIG, context)
    summary = result.summary()
    assert len(epochs) == 3 and epochs[0]["model"] == "rank transformer"
    assert summary["perplexity_nearest_cells"] < summary["perplexity_unigram"]
    assert summary["knn_accuracy_pca"] > 0.95 and summary["knn_accuracy_layer_1"] > 0.9
    assert summary["n_training_cells"] < summary["n_cells"]
    loaded = study.load(tmp_path / "run")
    assert loaded.config == CONFIG and loaded.data_hash() == result.data_hash()
    model = load_model(loaded.model_folder)
    assert fingerprint(model.model) == fingerprint(loaded.model())
    assert not model.demonstration
    from core.data import load_cells

    encoded = encode(load_cells("tiny", workspace), model.vocabulary, max_length=64)
    assert model.model(__import__("torch").as_tensor(encoded.cell(0))[None]).shape[-1] == 16


def test_resumed_study_ends_as_the_straight_one(workspace: Settings, tmp_path: Path) -> None:
    study = STUDIES.get("rank-pretraining").value
    straight = study.run(CONFIG, StudyContext(tmp_path / "a", workspace))
    with pytest.raises(CancelledError):
        study.run(CONFIG, StudyContext(tmp_path / "b", workspace, should_cancel=lambda: True))
    resumed = study.run(CONFIG, StudyContext(tmp_path / "b", workspace, resume=True))
    assert fingerprint(resumed.model()) == fingerprint(straight.model())


def test_what_cannot_be_trained_on_is_explained(workspace: Settings, tmp_path: Path) -> None:
    study = STUDIES.get("rank-pretraining").value
    context = StudyContext(tmp_path / "run", workspace)
    with pytest.raises(ConfigError, match="Name a data set"):
        study.run(CONFIG.model_copy(update={"dataset": ""}), context)
    with pytest.raises(DataError, match="0 cells have 60 ranked genes"):
        study.run(CONFIG.model_copy(update={"min_genes": 60}), context)


def test_models_and_vocabularies_that_do_not_belong_together(
    workspace: Settings, tmp_path: Path
) -> None:
    study = STUDIES.get("rank-pretraining").value
    folder = study.run(CONFIG, StudyContext(tmp_path / "run", workspace)).model_folder
    table = pd.read_parquet(folder / "vocabulary.parquet")
    table.loc[table.index[-1], "token"] = 900
    table.to_parquet(tmp_path / "other.parquet")
    with pytest.raises(DataError, match="tokens up to 900"):
        load_model(folder, tmp_path / "other.parquet")
    (folder / "vocabulary.parquet").unlink()
    with pytest.raises(DataError, match=r"has no vocabulary\.parquet"):
        load_model(folder)
