"""What was asked of a training that has its model, or its vocabulary, from elsewhere."""

import dataclasses
from typing import Any

from mt.config import RunConfig
from mt.errors import UserError
from mt.initialization import has_tokenizers


def check_heeded(file: RunConfig, asked: RunConfig, taken: RunConfig) -> None:
    """That no option is passed over for what the training starts from.

    Args:
        file: what the config file says; what starts from elsewhere may have it otherwise.
        asked: that, changed by options.
        taken: with the model that it starts from.

    Raises:
        UserError: an option says otherwise than that model has it, or of which vocabulary one is to be learnt.
    """
    changed = {name for name, *_ in _differences(file.model, asked.model)}
    for name, own, wanted in _differences(taken.model, asked.model):
        if name in changed:
            raise UserError(f"model.{name}: is {wanted}, but {own} in what is started from; leave it out")
    if has_tokenizers(asked):
        for name, *_ in _differences(file.tokenizer, asked.tokenizer):
            if name != "path":
                source = "that of tokenizer.path" if asked.tokenizer.path else "that of what is started from"
                raise UserError(f"tokenizer.{name}: the vocabulary is {source}; leave it out")


def differences(asked: Any, taken: Any) -> str:
    """What a model's config has otherwise than was asked, for a message."""
    return ", ".join(f"{name} {own}, not {other}" for name, own, other in _differences(taken, asked))


def _differences(one: Any, other: Any) -> list[tuple[str, Any, Any]]:
    """The fields in which two configs of a kind differ, with both values; of two kinds their architecture alone."""
    if type(one) is not type(other):
        return [("architecture", one.architecture, other.architecture)]
    fields = (field.name for field in dataclasses.fields(one))
    both = ((name, getattr(one, name), getattr(other, name)) for name in fields)
    return [(name, own, theirs) for name, own, theirs in both if own != theirs]
