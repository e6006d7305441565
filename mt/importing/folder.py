"""A Hugging Face model's folder: its config, its weights, and what becomes of them."""

import pathlib
from typing import Any, NamedTuple

import jax
import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from mt.data.tokenizers import Tokenizers
from mt.decoding.beam_search import SearchConfig
from mt.errors import UserError
from mt.files import parse_json
from mt.models import ModelConfig
from mt.models.interface import dummy_batch

WEIGHTS = "model.safetensors"
_CONVERT = (
    "import torch; from safetensors.torch import save_file; w = torch.load('pytorch_model.bin', weights_only=True); "
    "save_file({k: v.clone().contiguous() for k, v in w.items()}, 'model.safetensors')"
)


class Imported(NamedTuple):
    """A model that was read.

    Attributes:
        config: of the model.
        params: float32, on the host.
        tokenizers: as they came.
        search: as their generation's defaults say.
        languages: from what into what, as far as the folder says; "" where it does not.
        translates: whether it does; otherwise it has one language alone, the second.
        max_length: the longest source, or text, that its positions allow.
        left_out: what the folder asks for that is not ours to do, a sentence each.
    """

    config: ModelConfig
    params: Any
    tokenizers: Tokenizers
    search: SearchConfig
    languages: tuple[str, str]
    translates: bool
    max_length: int
    left_out: list[str]


def read_json(path: pathlib.Path, default: dict[str, Any] | None = None) -> dict[str, Any]:
    """An object from a file; the default where there is no such file.

    Raises:
        UserError: there is neither, or it is not JSON.
    """
    if not path.is_file():
        if default is not None:
            return default
        raise UserError(f"{path}: no such file; name the folder of a Hugging Face model")
    try:
        found = parse_json(path.read_text("utf-8"))
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise UserError(f"{path}: not JSON, or damaged; put back the file")
    return found


def read_weights(folder: pathlib.Path) -> dict[str, np.ndarray]:
    """The tensors by name.

    Raises:
        UserError: they are not there, or only as a pickle, or cannot be read.
    """
    path = folder / WEIGHTS
    if not path.is_file():
        if (folder / "pytorch_model.bin").is_file():
            raise UserError(
                f"{folder}: has pytorch_model.bin but no {WEIGHTS}, and a pickle can run code; convert it where "
                f'PyTorch is installed, in that folder: python -c "{_CONVERT}"'
            )
        raise UserError(f"{path}: no such file; put back the model's weights")
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError, TypeError, KeyError) as error:
        raise UserError(f"{path}: not readable ({error}); put back the file") from None


def check_shapes(path: pathlib.Path, model: Any, params: Any) -> None:
    """Raises UserError where parameters are not of the model's shapes."""
    needed = jax.eval_shape(lambda: model.init(jax.random.key(0), dummy_batch())["params"])
    for (where, leaf), found in zip(jax.tree_util.tree_flatten_with_path(needed)[0], jax.tree.leaves(params)):
        if leaf.shape != found.shape:
            name = "/".join(key.key for key in where)
            raise UserError(
                f"{path}: a tensor is of another shape than config.json says ({name} is {found.shape} and not "
                f"{leaf.shape})"
            )
