"""A Hugging Face MarianMT folder, such as OPUS-MT's, as a model of ours."""

import pathlib
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
import sentencepiece

from mt.data.marian_tokenizer import PADDING
from mt.data.tokenizer import BOS, PAD, Tokenizer
from mt.data.tokenizers import NAMES, SHARED, SOURCE, TARGET, TARGET_VOCABULARY, VOCABULARY, Tokenizers
from mt.decoding.beam_search import SearchConfig
from mt.errors import UserError
from mt.exporting import marian_config, marian_tensors, vocabularies
from mt.files import parse_json
from mt.importing.folder import WEIGHTS, Imported, check_shapes, read_json, read_weights
from mt.layers.positions import sinusoidal_positions
from mt.models.transformer import TransformerConfig

_POSITIONS = tuple(f"model.{side}.embed_positions.weight" for side in ("encoder", "decoder"))
# Marian's own rule for the longest translation: `--max-length-factor 3`.
_MAX_LENGTH_FACTOR = 3.0


def read(folder: pathlib.Path) -> Imported:
    """Reads a folder.

    Raises:
        UserError: a file is missing or damaged, or the model is of a form that ours cannot be.
    """
    where = folder / "config.json"
    if not where.is_file():
        raise UserError(f"{where}: no such file; name the folder of a Hugging Face MarianMT model")
    theirs = read_json(where)
    generation = theirs | (read_json(folder / "generation_config.json", {}))
    config = marian_config.to_ours(theirs, str(where))
    tokenizers = _tokenizers(folder, theirs, str(where))
    vocabulary = vocabularies.of(tokenizers)
    for field, pieces in (("vocab_size", vocabulary.source), ("decoder_vocab_size", vocabulary.target)):
        size = theirs.get(field) or theirs["vocab_size"]
        if size != len(pieces):
            raise UserError(
                f"{where}: {field} is {size}, but the vocabulary has {len(pieces)} pieces; put back its files"
            )
    weights = read_weights(folder)
    params = _params(config, weights, vocabulary.orders, folder / WEIGHTS)
    described = read_json(folder / "tokenizer_config.json", {})
    return Imported(
        config,
        params,
        tokenizers,
        SearchConfig(
            beam_size=generation.get("num_beams") or 1,
            length_penalty=float(_or(generation.get("length_penalty"), 1.0)),
            length_normalization="tokens",
            max_length_factor=_MAX_LENGTH_FACTOR,
            no_repeat_ngram=generation.get("no_repeat_ngram_size") or 0,
        ),
        (described.get("source_lang") or "", described.get("target_lang") or ""),
        True,
        theirs.get("max_position_embeddings", 512),
        _left_out(generation, vocabulary),
    )


def _or(value: Any, default: Any) -> Any:
    return default if value is None else value


def _tokenizers(folder: pathlib.Path, theirs: Mapping[str, Any], where: str) -> Tokenizers:
    files = {name: (folder / name).read_bytes() for name in NAMES if name != SHARED and (folder / name).is_file()}
    tokenizers = Tokenizers.of_files(files, folder)
    if (shared := _shared(files)) is not None:
        tokenizers = Tokenizers.shared(shared)
    special = vocabularies.of(tokenizers).special
    for field, name in (("pad_token_id", "pad"), ("decoder_start_token_id", "start"), ("eos_token_id", "eos")):
        if theirs.get(field) != special[name]:
            raise UserError(f"{where}: {field} is {theirs.get(field)}, but the vocabulary's is {special[name]}")
    return tokenizers


def _shared(files: Mapping[str, bytes]) -> Tokenizer | None:
    """The one tokenizer of both sides, if that is what these files are: a model that was ours goes back to what it was.

    Marian's own vocabularies have other ids than their SentencePiece models.
    """
    if files[SOURCE] != files[TARGET] or TARGET_VOCABULARY in files:
        return None
    processor = sentencepiece.SentencePieceProcessor(model_proto=files[SOURCE])
    if (processor.pad_id(), processor.bos_id()) != (PAD, BOS):
        return None
    tokenizer = Tokenizer(files[SOURCE])
    pieces = tokenizer.pieces(range(len(tokenizer)))
    return tokenizer if parse_json(files[VOCABULARY]) == {each: number for number, each in enumerate(pieces)} else None


def _params(
    config: TransformerConfig, weights: dict[str, np.ndarray], orders: Mapping[str, np.ndarray], path: pathlib.Path
) -> Any:
    if config.tie_embeddings == "target":  # of one vocabulary or two, the output is tied to the decoder's
        weights.pop("lm_head.weight", None)
    for name in _POSITIONS:
        if (found := weights.pop(name, None)) is not None:
            expected = np.asarray(sinusoidal_positions(jnp.arange(len(found)), config.model_dim))
            if not np.allclose(found, expected, atol=1e-4):
                raise UserError(f"{path}: {name} are not the sines and cosines that MarianMT computes")
    try:
        params = marian_tensors.to_ours(config, weights, orders)
    except KeyError as error:
        raise UserError(f"{path}: has no tensor {error}; put back the file that belongs to config.json") from None
    except (ValueError, IndexError) as error:
        raise UserError(f"{path}: a tensor is of another shape than config.json says ({error})") from None
    model = config.build(len(orders["target"]), len(orders["source"]))
    check_shapes(path, model, params)
    tied = {"model.shared.weight", "model.encoder.embed_tokens.weight", "model.decoder.embed_tokens.weight"}
    known = {tensor.name for tensor in marian_tensors.tensors(config)} | tied | {"lm_head.weight"}
    if unknown := sorted(weights.keys() - known):
        raise UserError(f"{path}: {unknown[0]} is not a tensor of MarianMT's; only its models can be imported")
    return params


def _left_out(generation: Mapping[str, Any], vocabulary: vocabularies.Vocabularies) -> list[str]:
    never = {vocabulary.special["pad"], vocabulary.special["start"]}
    words = [words for words in generation.get("bad_words_ids") or [] if len(words) != 1 or words[0] not in never]
    said = [f"bad_words_ids {words} are left out: only {PADDING} is kept from translations"] if words else []
    if (penalty := generation.get("repetition_penalty")) not in (None, 1, 1.0):
        said.append(f"repetition_penalty {penalty} is left out")
    return said
