"""Model folders: ``config.json`` and ``model.safetensors`` with BERT's names, no pickles."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from core.errors import DataError
from core.models.rank_transformer.config import RankTransformerConfig
from core.models.rank_transformer.network import RankTransformer

WEIGHTS_FILE = "model.safetensors"

_EMBEDDINGS = "embeddings."
_HEAD = "cls.predictions."
#: Our name → BERT's name, outside the layers. The head's decoder is tied to the tokens.
_OUTSIDE = {
    "tokens.weight": _EMBEDDINGS + "word_embeddings.weight",
    "positions.weight": _EMBEDDINGS + "position_embeddings.weight",
    "embedding_norm.weight": _EMBEDDINGS + "LayerNorm.weight",
    "embedding_norm.bias": _EMBEDDINGS + "LayerNorm.bias",
    "head_transform.weight": _HEAD + "transform.dense.weight",
    "head_transform.bias": _HEAD + "transform.dense.bias",
    "head_norm.weight": _HEAD + "transform.LayerNorm.weight",
    "head_norm.bias": _HEAD + "transform.LayerNorm.bias",
    "head_bias": _HEAD + "bias",
}
#: Our module → BERT's modules, whose rows are stacked in this order.
_LAYER = {
    "qkv": ("attention.self.query", "attention.self.key", "attention.self.value"),
    "attention_output": ("attention.output.dense",),
    "attention_norm": ("attention.output.LayerNorm",),
    "intermediate": ("intermediate.dense",),
    "output": ("output.dense",),
    "output_norm": ("output.LayerNorm",),
}
_TYPES = _EMBEDDINGS + "token_type_embeddings.weight"


def read_checkpoint(folder: Path, *, device: str | torch.device = "cpu") -> RankTransformer:
    """Load a Geneformer V1 folder, or one of our own, ready to predict in float32.

    Parameters
    ----------
    folder
        Holds ``config.json`` and ``model.safetensors``.
    device
        Where the weights go.

    Raises
    ------
    DataError
        If a file is missing or damaged, or a weight is missing or of the wrong shape; named.
    ConfigError
        If ``config.json`` describes another kind of model.
    """
    folder = Path(folder)
    config = RankTransformerConfig.read(folder)
    path = folder / WEIGHTS_FILE
    if not path.is_file():
        hint = ""
        if (folder / "pytorch_model.bin").is_file():
            hint = "; pytorch_model.bin is a pickle, which is never opened here: convert it first"
        raise DataError(f"The folder {folder} has no {WEIGHTS_FILE}{hint}.")
    try:
        weights = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise DataError(f"{path} is not a readable safetensors file: {error}.") from None
    return from_bert_weights(config, weights, where=str(path)).to(device).eval()


def from_bert_weights(
    config: RankTransformerConfig, weights: dict[str, torch.Tensor], *, where: str = WEIGHTS_FILE
) -> RankTransformer:
    """Build the model from BERT's named weights, with or without the prefix ``bert.``.

    Raises
    ------
    DataError
        Naming the weight that is missing or does not fit ``config``.
    """
    named = {_plain(name): tensor for name, tensor in weights.items()}
    with torch.device("meta"):
        model = RankTransformer(config)
    has_head = _HEAD + "transform.dense.weight" in named
    state: dict[str, torch.Tensor] = {}
    for name, parameter in model.state_dict().items():
        if name.startswith("head_") and not has_head:
            # a bare encoder: the head is there in shape only, and refuses to be used
            state[name] = torch.zeros(parameter.shape)
            continue
        parts = [_fetch(named, bert, where) for bert in _names(name)]
        for part, bert in zip(parts, _names(name), strict=True):
            expected = (parameter.shape[0] // len(parts), *parameter.shape[1:])
            if tuple(part.shape) != expected:
                raise DataError(
                    f"{where}: '{bert}' has the shape {tuple(part.shape)}, and config.json asks "
                    f"for {expected}; the two files are not of one model."
                )
        state[name] = torch.cat([part.float() for part in parts])
    _no_more_layers(named, config, where)
    if _TYPES in named:
        types = named[_TYPES]
        if types.ndim != 2 or types.shape[1] != config.hidden_size:
            raise DataError(f"{where}: '{_TYPES}' has the shape {tuple(types.shape)}.")
        state["positions.weight"] = state["positions.weight"] + types[0].float()
    if not all(torch.isfinite(tensor).all() for tensor in state.values()):
        raise DataError(f"{where} holds weights that are not numbers.")
    model.load_state_dict(state, assign=True)
    model.has_head = has_head
    return model.eval()


def to_bert_weights(model: RankTransformer) -> dict[str, torch.Tensor]:
    """The weights under BERT's names, as ``transformers.BertForMaskedLM`` loads them."""
    out: dict[str, torch.Tensor] = {}
    for name, tensor in model.state_dict().items():
        if name.startswith("head_") and not model.has_head:
            continue
        berts = _names(name)
        for bert, part in zip(berts, tensor.chunk(len(berts)), strict=True):
            prefix = "" if bert.startswith(_HEAD) else "bert."
            out[prefix + bert] = part.detach().cpu().contiguous()
    out["bert." + _TYPES] = torch.zeros(2, model.config.hidden_size)
    return out


def write_checkpoint(
    model: RankTransformer, folder: Path, *, dtype: torch.dtype = torch.float32
) -> None:
    """Write ``config.json`` and ``model.safetensors`` into ``folder``."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    model.config.write(folder)
    weights = {name: tensor.to(dtype) for name, tensor in to_bert_weights(model).items()}
    part = folder / (WEIGHTS_FILE + ".part")
    save_file(weights, part, metadata={"format": "pt"})
    part.replace(folder / WEIGHTS_FILE)


def fingerprint(model: RankTransformer) -> str:
    """SHA-256 over shape and weights: what results of the model are filed under."""
    digest = hashlib.sha256(model.config.model_dump_json().encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().float().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _plain(name: str) -> str:
    """BERT's name without prefix, and with the present names of a norm's parameters."""
    name = name.removeprefix("bert.")
    return name.replace("LayerNorm.gamma", "LayerNorm.weight").replace(
        "LayerNorm.beta", "LayerNorm.bias"
    )


def _names(name: str) -> tuple[str, ...]:
    """BERT's names of one of our parameters."""
    match = re.fullmatch(r"layers\.(\d+)\.(\w+)\.(weight|bias)", name)
    if match is None:
        return (_OUTSIDE[name],)
    index, module, kind = match.groups()
    return tuple(f"encoder.layer.{index}.{part}.{kind}" for part in _LAYER[module])


def _fetch(named: dict[str, torch.Tensor], name: str, where: str) -> torch.Tensor:
    if name not in named and name == _HEAD + "bias":
        name = _HEAD + "decoder.bias"
    if name not in named:
        raise DataError(f"{where} has no weight '{name}'; is it a BERT encoder as in Geneformer?")
    return named[name]


def _layers_of(named: dict[str, torch.Tensor]) -> Iterator[int]:
    for name in named:
        if match := re.match(r"encoder\.layer\.(\d+)\.", name):
            yield int(match.group(1))


def _no_more_layers(
    named: dict[str, torch.Tensor], config: RankTransformerConfig, where: str
) -> None:
    found = max(_layers_of(named), default=-1) + 1
    if found != config.num_hidden_layers:
        raise DataError(
            f"{where} has {found} layers, and config.json says {config.num_hidden_layers}."
        )
