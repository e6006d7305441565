"""What a Hugging Face MarianMT model's config.json calls the options of our Transformer, in both directions."""

from collections.abc import Mapping
from typing import Any

from mt.errors import UserError
from mt.models.transformer import TransformerConfig

# Ours first where several of theirs are one of ours.
_ACTIVATIONS = {
    "relu": "relu",
    "swish": "swish",
    "silu": "swish",
    "gelu": "gelu_erf",
    "gelu_new": "gelu",
    "gelu_pytorch_tanh": "gelu",
}
# PyTorch's, which their code does not let a config change.
NORM_EPSILON = 1e-5
_TIES = {(True, True): "all", (True, False): "inputs", (False, True): "target", (False, False): "none"}
# What their config may say only so: anything else is another model.
_FIXED = {
    "model_type": "marian",
    "scale_embedding": True,
    "normalize_before": False,
    "normalize_embedding": False,
    "add_final_layer_norm": False,
    "static_position_embeddings": True,
}
# What our config must say of such a model.
_OF_OURS = {
    "norm": ("post",),
    "decoder_norm": ("post", None),
    "source_norm": (False,),
    "scale_embeddings": (True,),
    "positions": ("sinusoidal",),
}
_SIZES = {"num_layers": "layers", "ff_dim": "ffn_dim", "num_heads": "attention_heads"}
_DROPOUTS = ("dropout", "attention_dropout", "activation_dropout")


def to_ours(theirs: Mapping[str, Any], where: str) -> TransformerConfig:
    """Our config of their model.

    Args:
        theirs: their config.json.
        where: its path, for error messages.

    Raises:
        UserError: it is no MarianMT model, or one that ours cannot be.
    """
    for name, value in _FIXED.items():
        if name in theirs and theirs[name] != value or name == "model_type" and name not in theirs:
            raise UserError(
                f"{where}: {name} is {theirs.get(name)!r}; only models where it is {value!r} can be imported"
            )
    try:
        activation = _ACTIVATIONS[theirs["activation_function"]]
        sizes = {ours: (theirs[f"encoder_{name}"], theirs[f"decoder_{name}"]) for ours, name in _SIZES.items()}
        depths = sizes.pop("num_layers")
        for ours, (encoder, decoder) in sizes.items():
            if encoder != decoder:
                name = _SIZES[ours]
                raise UserError(
                    f"{where}: encoder_{name} is {encoder} and decoder_{name} {decoder}; only models where they are "
                    "the same can be imported"
                )
        tied = theirs.get("share_encoder_decoder_embeddings", True), theirs.get("tie_word_embeddings", True)
        return TransformerConfig(
            num_layers=depths[0],
            decoder_layers=None if depths[1] == depths[0] else depths[1],
            model_dim=theirs["d_model"],
            activation=activation,  # type: ignore[arg-type]
            tie_embeddings=_TIES[tied],  # type: ignore[arg-type]
            output_bias=True,
            norm_epsilon=NORM_EPSILON,
            **{ours: value for ours, (value, _) in sizes.items()},
            **{name: theirs.get(name, 0.0) for name in _DROPOUTS},
        )
    except KeyError as error:
        raise UserError(f"{where}: {error} is missing or unknown; only MarianMT models can be imported") from None


def to_theirs(config: TransformerConfig) -> dict[str, Any]:
    """Their config of our model, but for its vocabulary.

    Raises:
        UserError: it is not of the form that theirs always has.
    """
    wrong = [
        f"model.{name} is {getattr(config, name)!r}, not {needed[0]!r}"
        for name, needed in _OF_OURS.items()
        if getattr(config, name) not in needed
    ]
    activation = next((theirs for theirs, ours in _ACTIVATIONS.items() if ours == config.activation), None)
    if activation is None:
        wrong.append(f"model.activation is {config.activation!r}")
    if wrong:
        raise UserError(
            f"--format marian: MarianMT has no such model ({'; '.join(wrong)}); train one of its form, or take another "
            "--format"
        )
    share, tie = next(tied for tied, ours in _TIES.items() if ours == config.tie_embeddings)
    sides = {"encoder": config.num_layers, "decoder": config.decoder_depth}
    sizes = {f"{side}_layers": depth for side, depth in sides.items()}
    for ours, name in _SIZES.items():
        if ours != "num_layers":
            sizes |= {f"{side}_{name}": getattr(config, ours) for side in sides}
    return {
        "architectures": ["MarianMTModel"],
        **_FIXED,
        "d_model": config.model_dim,
        **sizes,
        "num_hidden_layers": config.num_layers,
        "activation_function": activation,
        "share_encoder_decoder_embeddings": share,
        "tie_word_embeddings": tie,
        **{name: getattr(config, name) for name in _DROPOUTS},
        "is_encoder_decoder": True,
        "use_cache": True,
        "torch_dtype": "float32",
    }
