"""A Transformer whose encoder and decoder have the form of other models (Rothe et al. 2020, "Leveraging Pre-trained
Checkpoints for Sequence Generation Tasks", section 2)."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from mt.errors import UserError
from mt.models.transformer import TransformerConfig

# Of every part: fields that the whole has from it, and what else it then is.
_SHARED = ("model_dim", "ff_dim", "num_heads", "activation", "norm_epsilon", "max_positions")
_ALWAYS = {"scale_embeddings": False, "positions": "learned"}


def joined(config: Any, parts: Mapping[str, Any], names: Mapping[str, str]) -> TransformerConfig:
    """The config that they have together.

    Args:
        config: what says all that they leave open.
        parts: configs of "encoder", of "decoder", or of both.
        names: of where those come from, for error messages.

    Raises:
        UserError: a model cannot be such a part, or the parts do not go together.
    """
    if not isinstance(config, TransformerConfig):
        raise UserError(f"encoder_from, decoder_from: are for a transformer, and the model is a {config.architecture}")
    # What a part does not say of the other is as the config has it.
    fields: dict[str, Any] = {"decoder_layers": config.decoder_depth, "decoder_norm": config.norms["decoder"]}
    said: dict[str, str] = {}
    for side, part in parts.items():
        form = getattr(part, side, None)
        if form is None:
            other = {"encoder": "decoder", "decoder": "encoder"}[side]
            remedy = f"name it by {other}_from" if hasattr(type(part), other) else "leave it out"
            raise UserError(
                f"{side}_from: {names[side]} is a {part.architecture}, from which no {side} is taken; {remedy}"
            )
        form = {field: getattr(part, field) for field in _SHARED if hasattr(part, field)} | _ALWAYS | form
        for field, value in form.items():
            if field == "max_positions" and field in said:
                fields[field] = min(fields[field], value)
            elif field in said and fields[field] != value:
                raise UserError(
                    f"encoder_from, decoder_from: model.{field} is {fields[field]!r} in {said[field]} and {value!r} in "
                    f"{names[side]}; train them with the same"
                )
            else:
                fields[field] = value
            said[field] = names[side]
    if "encoder" in parts and config.tie_embeddings in ("all", "inputs"):
        fields["tie_embeddings"] = {"all": "target", "inputs": "none"}[config.tie_embeddings]
    return dataclasses.replace(config, **fields)


def joined_params(begun: Any, parts: Mapping[str, tuple[Any, Any]]) -> Any:
    """New parameters with those of the parts in their places.

    Args:
        begun: of the whole, new.
        parts: module and parameters of "encoder", of "decoder", or of both.
    """
    params = dict(begun)
    for side, (module, own) in parts.items():
        for name, values in getattr(module, f"as_{side}")(own).items():
            if name.endswith("_positions"):
                values = {"table": values["table"][: len(begun[name]["table"])]}
            params[name] = {**begun[name], **values} if isinstance(values, Mapping) else values
    return params
