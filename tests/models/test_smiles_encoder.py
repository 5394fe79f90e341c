from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from core.errors import ConfigError
from core.featurizers.pipeline import FeaturePipeline
from core.featurizers.smiles_tokens import PAD, START, UNKNOWN, SmilesTokens, spellings, tokens
from core.models.network import Batch, InputShape
from core.models.smiles_encoder import SmilesEncoder, SmilesEncoderParams
from core.training.estimator import TorchResponseModel
from core.training.trainer import TrainingOptions

KINDS = pytest.mark.parametrize("kind", ["convolution", "recurrent"])
SMILES = [f"C{'C' * i}{tail}" for i in range(12) for tail in ("O", "N", "c1ccccc1", "Cl")]


def _obs(smiles: list[str] | None = None) -> pd.DataFrame:
    smiles = smiles or SMILES
    return pd.DataFrame(
        {"cell_type": "T", "sm_name": [f"m{i}" for i in range(len(smiles))], "SMILES": smiles}
    )


def _targets() -> np.ndarray:
    """Rows with chlorine answer +2, rows with nitrogen −2: readable from the tokens."""
    sign = np.array([2.0 * ("Cl" in s) - 2.0 * ("N" in s) for s in SMILES], dtype=np.float32)
    return np.outer(sign, np.ones(5, dtype=np.float32))


def test_tokens_are_atoms_bonds_and_rings() -> None:
    assert tokens("C[nH]1%12Cl/C=C(Br)") == [
        "C", "[nH]", "1", "%12", "Cl", "/", "C", "=", "C", "(", "Br", ")"
    ]  # fmt: skip


def test_spellings_depend_on_the_molecule_not_on_its_writing() -> None:
    first = spellings("OCCN", 8, 0)
    assert first == spellings("NCCO", 8, 0) == spellings("NCCO.Cl", 8, 0)
    assert first[0] == "NCCO" and len(first) == 8 and len(set(first)) > 2
    assert spellings("OCCN", 8, 1) != first


def test_codes_start_and_fill_and_know_what_they_do_not_know() -> None:
    featurizer = SmilesTokens(SmilesTokens.Params(length=16, n_variants=3))
    codes = featurizer.fit_transform(_obs(["CCO", "CCC"]), np.zeros((2, 1), np.float32))
    assert codes.shape == (2, 48) == (2, len(featurizer.names))
    first = codes[0].reshape(3, 16)
    assert (first[:, 0] == START).all() and (first[:, 5:] == PAD).all()
    assert UNKNOWN not in codes
    new = featurizer.transform(_obs(["C#CBr", "CC" * 40]))
    assert (new[0] == UNKNOWN).any()
    assert (new[1].reshape(3, 16) != PAD).all()  # cut at the length
    again = SmilesTokens(featurizer.params).restore(featurizer.state())
    assert np.array_equal(again.transform(_obs(["C#CBr"])), new[:1])


def test_only_sequence_readers_see_the_tokens() -> None:
    inputs = FeaturePipeline([("smiles_tokens", {"n_variants": 2})]).fit_transform(
        _obs(), _targets()
    )
    assert inputs.sequence.shape == (len(SMILES), 240)
    assert inputs.molecule.shape[1] == 0 and inputs.cell.shape[1] == 0
    assert inputs.take(np.array([1, 0])).sequence[0].tolist() == inputs.sequence[1].tolist()


def _network(kind: str, **params: object) -> SmilesEncoder:
    torch.manual_seed(0)
    return SmilesEncoder(
        InputShape(1, 1, 0, 0, 3, 32), SmilesEncoderParams(kind=kind, width=8, **params)
    )


def _batch(sequence: list[list[int]]) -> Batch:
    n = len(sequence)
    codes = torch.zeros(n, dtype=torch.int64)
    empty = torch.zeros(n, 0)
    return Batch(codes, codes, empty, empty, torch.tensor(sequence))


@KINDS
def test_filling_and_company_do_not_change_a_prediction(kind: str) -> None:
    network = _network(kind).eval()
    short = [START, 5, 6, *[PAD] * 29]
    long = [START, *[7] * 31]
    alone = network(_batch([short]))
    together = network(_batch([short, long]))
    assert torch.allclose(alone[0], together[0], atol=1e-5)
    assert not torch.allclose(together[0], together[1], atol=1e-4)


@KINDS
def test_prediction_averages_spellings_and_training_draws_them(kind: str) -> None:
    a = [START, 5, 6, *[PAD] * 13]
    b = [START, 6, 5, *[PAD] * 13]
    network = _network(kind, token_dropout=0.0, dropout=0.0, n_averaged=2)
    network.eval()
    mixed = network._molecules(torch.tensor([a + b]))
    single = [network._encode(torch.tensor([x])) for x in (a, b)]
    assert torch.allclose(mixed, (single[0] + single[1]) / 2, atol=1e-6)
    network.train()
    drawn = torch.cat([network._molecules(torch.tensor([a + b])) for _ in range(30)])
    near = [torch.isclose(drawn, x, atol=1e-5).all(dim=1).sum().item() for x in single]
    assert sum(near) == 30 and min(near) > 3
    plain = _network(kind, augment=False, token_dropout=0.0).eval()
    assert torch.equal(plain(_batch([a + b])), plain(_batch([a + a])))


@KINDS
def test_it_learns_what_the_tokens_say_and_comes_back_from_its_state(kind: str) -> None:
    pipeline = FeaturePipeline([("smiles_tokens", {"n_variants": 4, "length": 24})])
    inputs = pipeline.fit_transform(_obs(), _targets())
    options = TrainingOptions(epochs=25, batch_size=16, learning_rate=8e-3, device="cpu")
    params = SmilesEncoderParams(kind=kind, width=16, dropout=0.0)
    model = TorchResponseModel("smiles_encoder", params, options)
    model.fit(inputs, _targets())
    predicted = model.predict(inputs)
    assert np.abs(predicted - _targets()).mean() < 0.4
    again = TorchResponseModel("smiles_encoder", params, options).restore(model.state())
    assert np.array_equal(again.predict(inputs), predicted)
    repeat = TorchResponseModel("smiles_encoder", params, options).fit(inputs, _targets())
    assert np.array_equal(repeat.predict(inputs), predicted)


def test_without_tokens_it_says_what_it_needs() -> None:
    with pytest.raises(ConfigError, match="needs the feature 'SMILES tokens'"):
        SmilesEncoder(InputShape(1, 1, 0, 4, 3), SmilesEncoderParams())
