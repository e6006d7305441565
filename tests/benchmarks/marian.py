"""Weights of a Hugging Face MarianMT folder as those of our Transformer, and back."""

import json
import pathlib

import numpy as np

from mt.data.tokenizer import BOS, EOS, PAD
from mt.models.transformer import TransformerConfig


def read_safetensors(path: pathlib.Path) -> dict[str, np.ndarray]:
    """A file of float32 tensors: 8 bytes of the header's size, a JSON header, then the bytes it points into."""
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    header.pop("__metadata__", None)
    return {
        name: np.frombuffer(data[8 + size :][slice(*entry["data_offsets"])], np.float32).reshape(entry["shape"])
        for name, entry in header.items()
    }


def load(folder: pathlib.Path) -> tuple[TransformerConfig, dict, np.ndarray]:
    """The model, its parameters, and which of its ids each of ours (0 padding, 1 begin, 2 end) is, [vocab]."""
    theirs = json.loads((folder / "config.json").read_text())
    heads, width = theirs["encoder_attention_heads"], theirs["d_model"]
    config = TransformerConfig(
        num_layers=theirs["encoder_layers"],
        decoder_layers=theirs["decoder_layers"],
        model_dim=width,
        ff_dim=theirs["encoder_ffn_dim"],
        num_heads=heads,
        dropout=0.1,
    )
    begin, end = theirs["decoder_start_token_id"], theirs["eos_token_id"]
    words = np.setdiff1d(np.arange(theirs["vocab_size"]), [begin, end])
    ids = np.concatenate([words[-1:], [begin, end], words[:-1]])
    weights = read_safetensors(folder / "model.safetensors")

    def dense(name):
        return {"kernel": weights[f"{name}.weight"].T, "bias": weights[f"{name}.bias"]}

    def projections(name, parts):
        found = [dense(f"{name}.{part}_proj") for part in parts]
        return {part: np.stack([each[part] for each in found], -2) for part in ("kernel", "bias")}

    def self_attention(name):
        return {"query_key_value": projections(name, "qkv"), "output": dense(f"{name}.out_proj")}

    def cross_attention(name):
        query, output = dense(f"{name}.q_proj"), dense(f"{name}.out_proj")
        return {"query": query, "key_value": projections(name, "kv"), "output": output}

    def norm(name):
        return {"norm": {"scale": weights[f"{name}.weight"], "bias": weights[f"{name}.bias"]}}

    params = {"target_embedding": {"table": weights["model.shared.weight"][ids]}}
    for side in ("encoder", "decoder"):
        for number in range(theirs[f"{side}_layers"]):
            name = f"model.{side}.layers.{number}"
            params[f"{side}_layers_{number}"] = {
                "self_attention": self_attention(f"{name}.self_attn"),
                "self_attention_residual": norm(f"{name}.self_attn_layer_norm"),
                "feed_forward": {"inner": dense(f"{name}.fc1"), "outer": dense(f"{name}.fc2")},
                "feed_forward_residual": norm(f"{name}.final_layer_norm"),
            }
            if side == "decoder":
                params[f"{side}_layers_{number}"] |= {
                    "cross_attention": cross_attention(f"{name}.encoder_attn"),
                    "cross_attention_residual": norm(f"{name}.encoder_attn_layer_norm"),
                }
    return config, params, ids


def save(folder: pathlib.Path, config: TransformerConfig, params: dict) -> None:
    """Writes a model of ours, whose form must be Marian's: layers normalised after the residual, one table, ReLU."""
    assert (config.norm, config.tie_embeddings, config.activation) == ("post", "all", "relu")
    weights = {"model.shared.weight": params["target_embedding"]["table"]}
    weights["final_logits_bias"] = np.zeros((1, len(weights["model.shared.weight"])), np.float32)

    def dense(name, layer, part=slice(None)):
        weights[f"{name}.weight"] = layer["kernel"][:, part].T
        weights[f"{name}.bias"] = layer["bias"][part]

    def attention(name, layer, separate, together):
        for letter, part in zip(together, range(len(together))):
            dense(f"{name}.{letter}_proj", layer[separate], part)
        dense(f"{name}.out_proj", layer["output"])

    def norm(name, residual):
        weights[f"{name}.weight"], weights[f"{name}.bias"] = residual["norm"]["scale"], residual["norm"]["bias"]

    for side, depth in (("encoder", config.num_layers), ("decoder", config.decoder_depth)):
        for number in range(depth):
            name, layer = f"model.{side}.layers.{number}", params[f"{side}_layers_{number}"]
            attention(f"{name}.self_attn", layer["self_attention"], "query_key_value", "qkv")
            norm(f"{name}.self_attn_layer_norm", layer["self_attention_residual"])
            if side == "decoder":
                cross = layer["cross_attention"]
                attention(f"{name}.encoder_attn", cross, "key_value", "kv")
                dense(f"{name}.encoder_attn.q_proj", cross["query"])
                norm(f"{name}.encoder_attn_layer_norm", layer["cross_attention_residual"])
            dense(f"{name}.fc1", layer["feed_forward"]["inner"])
            dense(f"{name}.fc2", layer["feed_forward"]["outer"])
            norm(f"{name}.final_layer_norm", layer["feed_forward_residual"])
    sizes: dict = {"vocab_size": len(weights["model.shared.weight"]), "d_model": config.model_dim}
    for side, depth in (("encoder", config.num_layers), ("decoder", config.decoder_depth)):
        sizes |= {
            f"{side}_layers": depth,
            f"{side}_ffn_dim": config.ff_dim,
            f"{side}_attention_heads": config.num_heads,
        }
    ids = {"pad_token_id": PAD, "eos_token_id": EOS, "decoder_start_token_id": BOS, "forced_eos_token_id": None}
    rest = {"model_type": "marian", "scale_embedding": True, "activation_function": "relu"}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(sizes | ids | rest | {"max_position_embeddings": 1024}))
    header, content = {}, b""
    for name, values in weights.items():
        data = np.ascontiguousarray(values, np.float32).tobytes()
        offsets = [len(content), len(content) + len(data)]
        header[name] = {"dtype": "F32", "shape": list(values.shape), "data_offsets": offsets}
        content += data
    written = json.dumps(header | {"__metadata__": {"format": "pt"}}).encode()
    (folder / "model.safetensors").write_bytes(len(written).to_bytes(8, "little") + written + content)
