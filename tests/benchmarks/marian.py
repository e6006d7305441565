"""Weights of a Hugging Face MarianMT folder as those of our Transformer."""

import json
import pathlib

import numpy as np

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
