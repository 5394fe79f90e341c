from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

from core.errors import CancelledError, ConfigError, RunError, SettingsError
from core.metrics.regression import mrrmse
from core.training.checkpoints import BEST, LAST, read
from core.training.device import autocast, resolve_device
from core.training.estimator import TorchResponseModel
from core.training.trainer import TrainingOptions, batches_per_epoch
from tests.training.small import problem

NETWORKS = ("mlp", "transformer")
OPTIONS = TrainingOptions(epochs=10, batch_size=8, patience=0, device="cpu")


def model(network: str = "mlp", **options: object) -> TorchResponseModel:
    changed = TrainingOptions(**{**OPTIONS.__dict__, **options})
    return TorchResponseModel(network, None, changed, n_components=None, checkpoint_seconds=0.0)


def same(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> bool:
    return a.keys() == b.keys() and all(np.array_equal(a[key], b[key]) for key in a)


def cancel_after(epochs: int):
    calls = iter(range(1, 10_000))
    return lambda: next(calls) >= epochs


@pytest.mark.parametrize("network", NETWORKS)
def test_same_seed_same_weights(network: str):
    inputs, values = problem()
    first = model(network, seed=3).fit(inputs, values).state()
    torch.rand(7)  # the state of torch's own generator must not matter
    assert same(first, model(network, seed=3).fit(inputs, values).state())
    assert not same(first, model(network, seed=4).fit(inputs, values).state())


def test_training_leaves_torchs_generator_alone():
    inputs, values = problem()
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    model().fit(inputs, values)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("select", [True, False])
def test_resume_ends_where_the_whole_training_ends(network: str, select: bool, tmp_path: Path):
    inputs, values = problem()
    validation = (inputs.take(np.arange(6)), values[:6])
    whole = model(network)
    whole.fit(inputs, values, validation=validation, select=select)
    broken = model(network)
    with pytest.raises(CancelledError):
        broken.fit(
            inputs,
            values,
            validation=validation,
            select=select,
            folder=tmp_path,
            should_cancel=cancel_after(5),
        )
    epochs = []
    resumed = model(network).fit(
        inputs,
        values,
        validation=validation,
        select=select,
        folder=tmp_path,
        resume=True,
        on_epoch=lambda record: epochs.append(record["epoch"]),
    )
    assert epochs == [6, 7, 8, 9, 10]
    assert same(resumed.state(), whole.state())
    untimed = [
        [{k: v for k, v in record.items() if k != "seconds"} for record in m.outcome.history]
        for m in (resumed, whole)
    ]
    assert untimed[0] == untimed[1]


def test_a_killed_process_goes_on_from_the_last_checkpoint(tmp_path: Path):
    inputs, values = problem()
    whole = model().fit(inputs, values)

    def die(record: dict) -> None:
        if record["epoch"] == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model().fit(inputs, values, folder=tmp_path, on_epoch=die)
    (tmp_path / "last.part").write_bytes(b"half a file")  # a later one, cut off while written
    resumed = model().fit(inputs, values, folder=tmp_path, resume=True)
    assert same(resumed.state(), whole.state())


def test_best_file_newer_than_the_last_one(tmp_path: Path):
    inputs, values = problem()
    validation = (inputs, values)
    whole = model().fit(inputs, values, validation=validation)
    older, newer = tmp_path / "older", tmp_path / "newer"
    for folder, epochs in ((older, 4), (newer, 6)):
        with pytest.raises(CancelledError):
            model().fit(
                inputs,
                values,
                validation=validation,
                folder=folder,
                should_cancel=cancel_after(epochs),
            )
    (older / BEST).write_bytes((newer / BEST).read_bytes())
    resumed = model().fit(inputs, values, validation=validation, folder=older, resume=True)
    assert same(resumed.state(), whole.state())


def test_checkpoints_hold_optimizer_and_scalars_without_pickle(tmp_path: Path):
    inputs, values = problem()
    with pytest.raises(CancelledError):
        model().fit(
            inputs,
            values,
            validation=(inputs, values),
            folder=tmp_path,
            should_cancel=cancel_after(3),
        )
    last = read(tmp_path / LAST)
    assert last is not None
    assert last.scalars["epochs"] == 3
    assert len(last.scalars["history"]) == 3
    assert {key.split(".")[0] for key in last.tensors} == {"network", "averaged", "optimizer"}
    assert any(key.endswith("exp_avg_sq") for key in last.tensors)
    with safe_open(tmp_path / BEST, framework="np") as file:
        assert all(key.startswith("network.") for key in file.keys())  # noqa: SIM118
    (tmp_path / LAST).write_bytes(b"damaged")
    with pytest.raises(RunError, match=r"last\.safetensors .* is damaged"):
        read(tmp_path / LAST)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("n_components", [None, 8])
def test_networks_learn_the_response(network: str, n_components: int | None):
    inputs, values = problem(noise=0.01)
    options = TrainingOptions(epochs=80, batch_size=12, learning_rate=1e-2, device="cpu")
    params = {"dropout": 0.0, "category_dropout": 0.0}
    from core.models.base import MODELS

    fitted = TorchResponseModel(
        network, MODELS.get(network).value.Params(**params), options, n_components=n_components
    ).fit(inputs, values)
    assert mrrmse(values, fitted.predict(inputs)) < 0.2 * mrrmse(
        values, np.broadcast_to(values.mean(axis=0), values.shape)
    )


def test_a_network_starts_at_the_geometric_median():
    from core.models.geometric_median import geometric_median

    inputs, values = problem()
    values[0] *= 50.0
    still = model(learning_rate=1e-12, epochs=1).fit(inputs, values).predict(inputs)
    assert still == pytest.approx(np.broadcast_to(geometric_median(values), still.shape), abs=1e-3)


def test_early_stopping_keeps_the_best_epoch():
    inputs, values = problem(noise=1.0)
    train, held = np.arange(0, 24), np.arange(24, 36)
    fitted = model(epochs=200, patience=5, learning_rate=1e-2)
    fitted.fit(inputs.take(train), values[train], validation=(inputs.take(held), values[held]))
    curve = [record["val_mrrmse"] for record in fitted.outcome.history]
    assert fitted.outcome.best_epoch == int(np.argmin(curve)) + 1
    assert len(curve) == fitted.outcome.best_epoch + 5 < 200
    assert mrrmse(values[held], fitted.predict(inputs.take(held))) == pytest.approx(
        min(curve), rel=1e-5
    )


def test_stop_epoch_ends_the_same_schedule_early():
    inputs, values = problem()
    rates: dict[str, list[float]] = {"whole": [], "short": []}
    for name, stop in (("whole", None), ("short", 4)):
        model().fit(
            inputs,
            values,
            stop_epoch=stop,
            on_epoch=lambda record, name=name: rates[name].append(record["learning_rate"]),
        )
    assert rates["short"] == rates["whole"][:4]
    assert len(rates["whole"]) == 10


def test_epoch_records_have_the_contracts_keys():
    inputs, values = problem()
    records: list[dict] = []
    model(epochs=2).fit(inputs, values, on_epoch=records.append)
    assert set(records[0]) == {
        "epoch", "train_loss", "val_loss", "val_mrrmse", "learning_rate", "seconds",
    }  # fmt: skip
    assert records[0]["val_mrrmse"] is None
    model(epochs=2).fit(inputs, values, validation=(inputs, values), on_epoch=records.append)
    assert records[-1]["val_loss"] == pytest.approx(records[-1]["val_mrrmse"], rel=1e-5)


@pytest.mark.parametrize("loss", ["mrrmse", "mse", "mae", "log-cosh", "mix"])
@pytest.mark.parametrize("n_components", [None, 5])
def test_every_loss_trains_with_either_head(loss: str, n_components: int | None):
    inputs, values = problem()
    options = TrainingOptions(epochs=15, batch_size=12, learning_rate=3e-3, loss=loss, device="cpu")
    fitted = TorchResponseModel("mlp", None, options, n_components=n_components)
    losses: list[float] = []
    fitted.fit(
        inputs,
        values,
        validation=(inputs, values),
        on_epoch=lambda record: losses.append(record["val_loss"]),
    )
    assert losses[-1] < 0.9 * losses[0]


def test_row_weights_take_influence_away():
    inputs, values = problem()
    values[0] += 30.0
    weights = np.ones(len(values), dtype=np.float32)
    weights[0] = 0.0
    free = model().fit(inputs, values, weights)
    changed = values.copy()
    changed[0] -= 100.0
    # the feature statistics are the same: only the ignored row's response differs
    assert free.predict(inputs) == pytest.approx(
        model().fit(inputs, changed, weights).predict(inputs), abs=1e-4
    )


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("n_components", [None, 4])
def test_state_goes_and_comes_back(network: str, n_components: int | None):
    inputs, values = problem()
    fitted = TorchResponseModel(network, None, OPTIONS, n_components=n_components)
    fitted.fit(inputs, values)
    restored = TorchResponseModel(network, None, OPTIONS).restore(fitted.state())
    assert np.array_equal(restored.predict(inputs), fitted.predict(inputs))
    assert restored.predict(inputs.take(np.arange(0))).shape == (0, values.shape[1])


def test_predictions_do_not_depend_on_the_other_rows():
    inputs, values = problem()
    fitted = model().fit(inputs, values)
    alone = np.concatenate([fitted.predict(inputs.take(np.array([i]))) for i in range(4)])
    assert alone == pytest.approx(fitted.predict(inputs)[:4], abs=1e-5)


@pytest.mark.parametrize(
    ("n", "size", "batches"), [(614, 64, 10), (65, 64, 2), (3, 2, 1), (2, 64, 1)]
)
def test_no_batch_has_a_single_row(n: int, size: int, batches: int):
    assert batches_per_epoch(n, size) == batches
    assert min(len(part) for part in torch.arange(n).tensor_split(batches)) >= 2


def test_faults_are_one_sentence():
    inputs, values = problem()
    with pytest.raises(ConfigError, match="at least two training rows"):
        model().fit(inputs.take(np.array([0])), values[:1])
    with pytest.raises(ConfigError, match="'mean' is not a network"):
        TorchResponseModel("mean")
    with pytest.raises(ConfigError, match="not been trained"):
        model().predict(inputs)
    with pytest.raises(ConfigError, match="training loss is nan"):
        model(epochs=1).fit(inputs, np.full_like(values, np.nan))
    fitted = model(epochs=1).fit(inputs, values)
    with pytest.raises(ConfigError, match="cell features have 0 columns"):
        from dataclasses import replace

        fitted.predict(replace(inputs, views={"morgan": inputs.views["morgan"]}))


def test_devices(monkeypatch: pytest.MonkeyPatch):
    assert resolve_device("cpu").type == "cpu"
    assert resolve_device("auto", "cpu").type == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SettingsError, match="'cuda:3' is not here"):
        resolve_device("cuda:3")
    with autocast(torch.device("cpu"), "bfloat16"):
        product = torch.ones(2, 2) @ torch.ones(2, 2)
    assert product.dtype == torch.bfloat16
    with autocast(torch.device("cpu"), "auto"):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32


def test_training_in_bfloat16_stays_near_float32():
    inputs, values = problem()
    whole = model().fit(inputs, values).predict(inputs)
    half = model(precision="bfloat16").fit(inputs, values).predict(inputs)
    assert half.dtype == np.float32
    assert not np.array_equal(half, whole)
    assert mrrmse(whole, half) < 0.1 * values.std()
