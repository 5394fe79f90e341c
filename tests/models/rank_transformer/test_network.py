"""The encoder against ``transformers.BertForMaskedLM``, and what a wrong folder is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from core.errors import ConfigError, DataError
from core.models.rank_transformer import (
    RankTransformer,
    RankTransformerConfig,
    fingerprint,
    from_bert_weights,
    read_checkpoint,
    to_bert_weights,
    write_checkpoint,
)

SHAPE = {
    "vocab_size": 60,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 40,
}


def bert_folder(folder: Path, act: str = "relu") -> object:
    """A randomly initialised ``BertForMaskedLM``, saved as a Geneformer folder is."""
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(3)
    config = transformers.BertConfig(
        **SHAPE, hidden_act=act, pad_token_id=0, initializer_range=0.3, layer_norm_eps=1e-12
    )
    model = transformers.BertForMaskedLM(config).eval()
    with torch.no_grad():  # biases and norms start at 0 and 1, where mistakes do not show
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.add_(0.2 * torch.randn_like(parameter))
    model.save_pretrained(folder)
    return model


@pytest.mark.parametrize("act", ["relu", "gelu"])
def test_agrees_with_transformers(tmp_path: Path, act: str) -> None:
    bert = bert_folder(tmp_path, act)
    model = read_checkpoint(tmp_path)
    tokens = torch.randint(2, 60, (3, 31))
    mask = torch.ones(3, 31, dtype=torch.long)
    mask[0, 20:] = 0
    mask[1, 4] = 0
    positions = torch.arange(31).expand(3, 31).clone()
    positions[2, 10:] -= 1
    with torch.no_grad():
        theirs = bert(  # type: ignore[operator]
            tokens, attention_mask=mask, position_ids=positions, output_hidden_states=True
        )
        ours = model(tokens, mask, positions)
        second = model(tokens, mask, positions, layer=2)
        plain = bert(tokens).logits  # type: ignore[operator]
        ours_plain = model.logits(model(tokens))
    seen = mask.bool()
    torch.testing.assert_close(ours[seen], theirs.hidden_states[-1][seen], atol=1e-5, rtol=0)
    torch.testing.assert_close(second[seen], theirs.hidden_states[2][seen], atol=1e-5, rtol=0)
    torch.testing.assert_close(model.logits(ours)[seen], theirs.logits[seen], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(ours_plain, plain, atol=1e-5, rtol=1e-5)


def test_written_checkpoint_opens_in_transformers(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    model = RankTransformer(RankTransformerConfig(**SHAPE, initializer_range=0.3)).eval()
    write_checkpoint(model, tmp_path)
    bert = transformers.BertForMaskedLM.from_pretrained(tmp_path).eval()
    tokens = torch.randint(2, 60, (2, 12))
    with torch.no_grad():
        torch.testing.assert_close(
            model.logits(model(tokens)), bert(tokens).logits, atol=1e-5, rtol=1e-5
        )


def test_round_trip_and_fingerprint(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = RankTransformer(RankTransformerConfig(**SHAPE)).eval()
    write_checkpoint(model, tmp_path)
    again = read_checkpoint(tmp_path)
    assert fingerprint(again) == fingerprint(model)
    with torch.no_grad():
        again.head_bias[3] += 1
    assert fingerprint(again) != fingerprint(model)


def test_float16_on_disk_is_float32_in_memory(tmp_path: Path) -> None:
    model = RankTransformer(RankTransformerConfig(**SHAPE))
    write_checkpoint(model, tmp_path, dtype=torch.float16)
    assert load_file(tmp_path / "model.safetensors")["cls.predictions.bias"].dtype == torch.float16
    assert {p.dtype for p in read_checkpoint(tmp_path).parameters()} == {torch.float32}


def test_bare_encoder_has_no_head() -> None:
    model = RankTransformer(RankTransformerConfig(**SHAPE))
    weights = {
        name.removeprefix("bert."): tensor
        for name, tensor in to_bert_weights(model).items()
        if not name.startswith("cls.")
    }
    bare = from_bert_weights(model.config, weights)
    hidden = bare(torch.tensor([[2, 3, 4]]))
    assert hidden.shape == (1, 3, 32)
    with pytest.raises(ConfigError, match="no masked-token head"):
        bare.logits(hidden)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_checkpoint(RankTransformer(RankTransformerConfig(**SHAPE)), tmp_path)
    return tmp_path


def edit(folder: Path, **changes: object) -> None:
    values = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(values | changes))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"vocab_size": 61}, "has the shape .60,., and config.json asks for .61,"),
        ({"num_hidden_layers": 4}, "has no weight 'encoder.layer.3"),
        ({"num_hidden_layers": 2}, "has 3 layers, and config.json says 2"),
        ({"model_type": "llama"}, "'llama' model"),
        ({"num_attention_heads": 5}, "not a multiple"),
        ({"position_embedding_type": "relative_key"}, "'relative_key' positions"),
        ({"hidden_size": "wide"}, "hidden_size"),
    ],
)
def test_wrong_config_is_explained(folder: Path, changes: dict[str, object], says: str) -> None:
    edit(folder, **changes)
    with pytest.raises((DataError, ConfigError), match=says):
        read_checkpoint(folder)


def test_damaged_files_are_explained(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    weights["cls.predictions.bias"] = torch.full((60,), float("nan"))
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(DataError, match="not numbers"):
        read_checkpoint(folder)
    (folder / "model.safetensors").write_bytes(b"nothing of the kind")
    with pytest.raises(DataError, match="not a readable safetensors file"):
        read_checkpoint(folder)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(DataError, match="is a pickle"):
        read_checkpoint(folder)
    (folder / "config.json").write_text("{")
    with pytest.raises(DataError, match="not a JSON file"):
        read_checkpoint(folder)
    (folder / "config.json").unlink()
    with pytest.raises(DataError, match=r"has no config\.json"):
        read_checkpoint(folder)


def test_layers_and_lengths_out_of_range() -> None:
    model = RankTransformer(RankTransformerConfig(**SHAPE))
    with pytest.raises(ConfigError, match="layers 1 to 3"):
        model(torch.tensor([[2, 3]]), layer=4)
    with pytest.raises(ConfigError, match="too long"):
        model(torch.full((1, 41), 2))
