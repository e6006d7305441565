"""A model as a Hugging Face MarianMT folder."""

import pathlib

import jax
from safetensors.numpy import save_file

from mt.data.tokenizers import TARGET_VOCABULARY, VOCABULARY
from mt.exporting import marian_config, marian_tensors, vocabularies
from mt.files import write_json
from mt.trained import Trained

_LONGEST = 512  # what Marian's models are made for


def write(found: Trained, folder: pathlib.Path) -> None:
    """Fills a folder with what `MarianMTModel.from_pretrained` and `MarianTokenizer.from_pretrained` read.

    Raises:
        UserError: the model is not of Marian's form.
    """
    config, search = found.model.config, found.search
    described = marian_config.to_theirs(config)
    vocabulary = vocabularies.of(found.tokenizers)
    special = vocabulary.special
    size, separate = len(vocabulary.target), vocabulary.source != vocabulary.target
    longest = max(_LONGEST, found.max_source_length)
    ids = {
        "pad_token_id": special["pad"],
        "eos_token_id": special["eos"],
        "bos_token_id": None,
        "decoder_start_token_id": special["start"],
        "forced_eos_token_id": special["eos"],
    }
    write_json(
        folder / "config.json",
        {
            **described,
            "vocab_size": len(vocabulary.source),
            "decoder_vocab_size": size,
            "max_position_embeddings": longest,
            **ids,
        },
    )
    write_json(
        folder / "generation_config.json",
        {
            **ids,
            "bad_words_ids": [[number] for number in sorted({special["pad"], special["start"]})],
            "num_beams": search.beam_size,
            "length_penalty": search.length_penalty,
            "no_repeat_ngram_size": search.no_repeat_ngram,
            "max_length": longest,
        },
    )
    tensors = marian_tensors.to_theirs(config, jax.device_get(found.params), vocabulary.orders)
    if marian_tensors.BIAS not in tensors:
        tensors[marian_tensors.BIAS] = marian_tensors.no_bias(size)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    names = {VOCABULARY: vocabulary.source} | ({TARGET_VOCABULARY: vocabulary.target} if separate else {})
    for name, pieces in names.items():
        write_json(folder / name, {piece: number for number, piece in enumerate(pieces)})
    vocabulary.write_models(folder)
    tokens = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    write_json(folder / "special_tokens_map.json", tokens)
    write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "MarianTokenizer",
            "source_lang": found.languages.source,
            "target_lang": found.languages.target,
            "model_max_length": found.max_source_length,
            "separate_vocabs": separate,
            "clean_up_tokenization_spaces": False,
            **tokens,
        },
    )
