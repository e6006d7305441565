"""Hugging Face's BERT and GPT-2 folders, as models of ours."""

import pathlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from mt.data.huggingface_tokenizer import from_files
from mt.data.tokenizers import JSON, Tokenizers
from mt.decoding.beam_search import SearchConfig
from mt.errors import UserError
from mt.exporting.tensors import Tensor, placed
from mt.importing.folder import WEIGHTS, Imported, check_shapes, read_json, read_weights
from mt.models.bert import BertConfig
from mt.models.gpt import GptConfig

_FILES = ("tokenizer.json", "vocab.txt", "vocab.json", "merges.txt")
_ACTIVATIONS = {"relu": "relu", "gelu": "gelu_erf", "gelu_new": "gelu", "gelu_pytorch_tanh": "gelu"}
# The logit of a piece that they do not have: none.
_NEVER = -1e9


def read_bert(folder: pathlib.Path) -> Imported:
    """Reads a BERT with or without the heads of its pretraining.

    Raises:
        UserError: a file is missing or damaged, or the model is of a form that ours cannot be.
    """
    theirs, where = read_json(folder / "config.json"), folder / "config.json"
    _refuse(theirs, {"position_embedding_type": "absolute", "is_decoder": False}, where)
    config = _config(
        BertConfig,
        theirs,
        {
            "num_layers": "num_hidden_layers",
            "model_dim": "hidden_size",
            "ff_dim": "intermediate_size",
            "num_heads": "num_attention_heads",
            "max_positions": "max_position_embeddings",
            "kinds": "type_vocab_size",
            "norm_epsilon": "layer_norm_eps",
            "dropout": "hidden_dropout_prob",
            "attention_dropout": "attention_probs_dropout_prob",
        },
        "hidden_act",
        where,
    )
    described = read_json(folder / "tokenizer_config.json", {})
    tokenizers = _tokenizers(folder, described.get("do_lower_case", True))
    weights, prefix = _weights(folder, "bert.")
    weights = {
        name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias"): values
        for name, values in weights.items()
    }
    _check_table(weights, "embeddings.word_embeddings.weight", prefix, theirs, folder)
    left_out = []
    if "cls.predictions.bias" not in weights:
        left_out.append("the folder has no head that predicts tokens: it is new, and --encoder-from needs none")
        width = config.model_dim
        weights |= _dense_of_nothing("cls.predictions.transform.dense", np.eye(width))
        weights |= _norm_of_nothing("cls.predictions.transform.LayerNorm", width)
        weights["cls.predictions.bias"] = np.zeros(len(weights.get("embeddings.word_embeddings.weight", ())))
    if "pooler.dense.weight" not in weights:
        weights |= _dense_of_nothing("pooler.dense", np.eye(config.model_dim))
    if "cls.seq_relationship.weight" not in weights:
        weights |= _dense_of_nothing("cls.seq_relationship", np.zeros((2, config.model_dim)))
    params = _params(weights, _bert_tensors(config), prefix, folder)
    order = tokenizers.target.order  # type: ignore[attr-defined]
    params["embedding"]["table"] = _reordered(params["embedding"]["table"], order, 0.0, folder)
    params["output_bias"] = _reordered(params["output_bias"], order, _NEVER, folder)
    check_shapes(folder / WEIGHTS, config.build(len(order)), params)
    return Imported(config, params, tokenizers, SearchConfig(), ("", ""), False, config.max_positions, left_out)


def read_gpt2(folder: pathlib.Path) -> Imported:
    """Reads a GPT-2.

    Raises:
        UserError: see `read_bert`.
    """
    theirs, where = read_json(folder / "config.json"), folder / "config.json"
    _refuse(theirs, {"scale_attn_by_inverse_layer_idx": False, "scale_attn_weights": True}, where)
    theirs["n_inner"] = theirs.get("n_inner") or 4 * theirs.get("n_embd", 0)
    config = _config(
        GptConfig,
        theirs,
        {
            "num_layers": "n_layer",
            "model_dim": "n_embd",
            "ff_dim": "n_inner",
            "num_heads": "n_head",
            "max_positions": "n_positions",
            "norm_epsilon": "layer_norm_epsilon",
            "dropout": "resid_pdrop",
            "attention_dropout": "attn_pdrop",
        },
        "activation_function",
        where,
        output_bias=True,
    )
    tokenizers = _tokenizers(folder, False)
    weights, prefix = _weights(folder, "transformer.")
    _check_table(weights, "wte.weight", prefix, theirs, folder)
    params = _params(weights, _gpt2_tensors(config), prefix, folder)
    for layer in range(config.num_layers):
        projections = params[f"layers_{layer}"]["self_attention"]["query_key_value"]
        for leaf, values in projections.items():
            projections[leaf] = values.reshape(*values.shape[:-1], 3, -1)
    order = tokenizers.target.order  # type: ignore[attr-defined]
    table = params["embedding"]["table"]
    params["embedding"]["table"] = _reordered(table, order, 0.0, folder)
    if order[1] < 0:  # what ends a text begins the next
        params["embedding"]["table"][1] = params["embedding"]["table"][2]
    params["output_bias"] = _reordered(np.zeros(len(table), np.float32), order, _NEVER, folder)
    check_shapes(folder / WEIGHTS, config.build(len(order)), params)
    return Imported(config, params, tokenizers, SearchConfig(), ("", ""), False, config.max_positions, [])


def _refuse(theirs: Mapping[str, Any], needed: Mapping[str, Any], where: pathlib.Path) -> None:
    for name, value in needed.items():
        if theirs.get(name, value) != value:
            raise UserError(f"{where}: {name} is {theirs[name]!r}; only models where it is {value!r} can be imported")


def _config(
    kind: Callable[..., Any],
    theirs: Mapping[str, Any],
    names: Mapping[str, str],
    activation: str,
    where: pathlib.Path,
    **more: Any,
) -> Any:
    try:
        fields = {ours: theirs[name] for ours, name in names.items()}
        return kind(**fields, activation=_ACTIVATIONS[theirs[activation]], **more)
    except KeyError as error:
        raise UserError(f"{where}: {error} is missing or unknown; only BERT and GPT-2 can be imported so") from None


def _tokenizers(folder: pathlib.Path, lower_case: bool) -> Tokenizers:
    files = {name: (folder / name).read_bytes() for name in _FILES if (folder / name).is_file()}
    try:
        content = from_files(files, lower_case)
    except ImportError:
        raise UserError(f"{folder}: needs the package tokenizers; pip install 'mt[huggingface]'") from None
    except (ValueError, TypeError):
        raise UserError(f"{folder}: its vocabulary is damaged; put back its files") from None
    if content is None:
        raise UserError(f"{folder}: has no tokenizer.json, vocab.txt, or vocab.json and merges.txt; put back the file")
    return Tokenizers.of_files({JSON: content}, folder)


def _weights(folder: pathlib.Path, prefix: str) -> tuple[dict[str, np.ndarray], str]:
    """The tensors without what their names begin with where the model has heads, and that, "" if it has none."""
    found = read_weights(folder)
    own = prefix if any(name.startswith(prefix) for name in found) else ""
    return {name.removeprefix(own): values for name, values in found.items()}, own


def _named(name: str, prefix: str) -> str:
    """A tensor's name as the file has it; the heads are beside the model."""
    return name if name.startswith("cls.") else prefix + name


def _check_table(
    weights: Mapping[str, np.ndarray], name: str, prefix: str, theirs: Mapping[str, Any], folder: pathlib.Path
) -> None:
    rows, size = len(weights.get(name, ())), theirs.get("vocab_size")
    if name in weights and size is not None and rows != size:
        raise UserError(
            f"{folder / WEIGHTS}: {_named(name, prefix)} has {rows} rows, but vocab_size is {size} in config.json; put "
            "back the file that belongs to it"
        )


def _params(
    weights: Mapping[str, np.ndarray], tensors: Iterator[Tensor], prefix: str, folder: pathlib.Path
) -> dict[str, Any]:
    def read(tensor: Tensor) -> np.ndarray:
        if tensor.name not in weights:
            raise UserError(
                f"{folder / WEIGHTS}: has no tensor {_named(tensor.name, prefix)}; put back the file that belongs to "
                "config.json"
            )
        return np.asarray(weights[tensor.name], np.float32)

    return placed(tensors, read)


def _reordered(values: np.ndarray, order: np.ndarray, missing: float, folder: pathlib.Path) -> np.ndarray:
    """Rows in our order, and such as are ours alone."""
    if order.max() >= len(values):
        raise UserError(
            f"{folder}: the vocabulary has {order.max() + 1} pieces, but the model {len(values)}; put back its files"
        )
    found = values[np.maximum(order, 0)].astype(np.float32)
    found[order < 0] = missing
    return found


def _dense_of_nothing(name: str, kernel: np.ndarray) -> dict[str, np.ndarray]:
    return {f"{name}.weight": kernel, f"{name}.bias": np.zeros(len(kernel))}


def _norm_of_nothing(name: str, width: int) -> dict[str, np.ndarray]:
    return {f"{name}.weight": np.ones(width), f"{name}.bias": np.zeros(width)}


def _norm(theirs: str, *path: str) -> Iterator[Tensor]:
    yield Tensor(f"{theirs}.weight", (*path, "scale"))
    yield Tensor(f"{theirs}.bias", (*path, "bias"))


def _dense(theirs: str, *path: str, turned: bool = True) -> Iterator[Tensor]:
    yield Tensor(f"{theirs}.weight", (*path, "kernel"), turned=turned)
    yield Tensor(f"{theirs}.bias", (*path, "bias"))


def _bert_tensors(config: BertConfig) -> Iterator[Tensor]:
    for theirs, ours in (("word", "embedding"), ("position", "positions"), ("token_type", "kinds")):
        yield Tensor(f"embeddings.{theirs}_embeddings.weight", (ours, "table"))
    yield from _norm("embeddings.LayerNorm", "embedding_norm")
    yield from _dense("pooler.dense", "pooler")
    yield from _dense("cls.seq_relationship", "next_sentence")
    yield from _dense("cls.predictions.transform.dense", "prediction")
    yield from _norm("cls.predictions.transform.LayerNorm", "prediction_norm")
    yield Tensor("cls.predictions.bias", ("output_bias",))
    for number in range(config.num_layers):
        theirs, ours = f"encoder.layer.{number}", f"layers_{number}"
        for leaf, named in (("kernel", "weight"), ("bias", "bias")):
            for place, part in enumerate(("query", "key", "value")):
                path = (ours, "self_attention", "query_key_value", leaf)
                yield Tensor(f"{theirs}.attention.self.{part}.{named}", path, place, turned=leaf == "kernel")
        yield from _dense(f"{theirs}.attention.output.dense", ours, "self_attention", "output")
        yield from _norm(f"{theirs}.attention.output.LayerNorm", ours, "self_attention_residual", "norm")
        yield from _dense(f"{theirs}.intermediate.dense", ours, "feed_forward", "inner")
        yield from _dense(f"{theirs}.output.dense", ours, "feed_forward", "outer")
        yield from _norm(f"{theirs}.output.LayerNorm", ours, "feed_forward_residual", "norm")


def _gpt2_tensors(config: GptConfig) -> Iterator[Tensor]:
    yield Tensor("wte.weight", ("embedding", "table"))
    yield Tensor("wpe.weight", ("positions", "table"))
    yield from _norm("ln_f", "norm")
    for number in range(config.num_layers):
        theirs, ours = f"h.{number}", f"layers_{number}"
        yield from _norm(f"{theirs}.ln_1", ours, "self_attention_residual", "norm")
        yield from _norm(f"{theirs}.ln_2", ours, "feed_forward_residual", "norm")
        for name, path in (
            ("attn.c_attn", ("self_attention", "query_key_value")),
            ("attn.c_proj", ("self_attention", "output")),
            ("mlp.c_fc", ("feed_forward", "inner")),
            ("mlp.c_proj", ("feed_forward", "outer")),
        ):
            yield from _dense(f"{theirs}.{name}", ours, *path, turned=False)
