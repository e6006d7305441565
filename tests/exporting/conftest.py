"""A trained-looking model of ours, and MarianMT folders in OPUS-MT's shapes."""

import pathlib

import jax
import numpy as np
import pytest

from mt.checkpoint import save_params
from mt.config import RunConfig, describe
from mt.data.batching import BatchingConfig
from mt.data.data_config import DataConfig
from mt.decoding.beam_search import SearchConfig
from mt.files import write_json
from mt.models.interface import dummy_batch
from mt.models.transformer import TransformerConfig
from tests.exporting.reference import train

WIDTH = 32


def make_run(folder: pathlib.Path, tokenizers, model: TransformerConfig, params=None) -> pathlib.Path:
    """A run of a model that was never trained, whose parameters are far enough from nothing to prefer some words."""
    vocab = len(tokenizers.target)
    if params is None:
        built = model.build(vocab, len(tokenizers.source))
        shapes = jax.eval_shape(lambda: built.init(jax.random.key(0), dummy_batch())["params"])
        random = np.random.default_rng(0)
        params = jax.tree.map(lambda leaf: random.normal(0, 0.3, leaf.shape).astype(np.float32), shapes)
    config = RunConfig(
        model=model,
        data=DataConfig(batching=BatchingConfig(row_length=64)),
        search=SearchConfig(beam_size=3, max_length_factor=1.0, max_length_offset=3),
    )
    folder.mkdir()
    tokenizers.save(folder)
    write_json(folder / "config.json", describe(config, tokenizers.sha256))
    save_params(folder, 7, params)
    return folder


def marian_form(**changes) -> TransformerConfig:
    """A model that MarianMT can be."""
    options = dict(num_layers=2, model_dim=WIDTH, ff_dim=48, num_heads=4, dropout=0.0, norm="post")
    return TransformerConfig(**options | changes)


@pytest.fixture(scope="session")
def run(tmp_path_factory, tokenizers) -> pathlib.Path:
    """A run of a model of Marian's form."""
    return make_run(tmp_path_factory.mktemp("runs") / "run", tokenizers, marian_form())


@pytest.fixture(scope="session")
def trained_run(tmp_path_factory, corpus_folder) -> pathlib.Path:
    """A run of Marian's form that was trained."""
    form = ["--model.norm", "post", "--model.num-layers", "1", "--model.model-dim", "64", "--model.ff-dim", "128"]
    form += ["--model.activation", "swish", "--model.output-bias", "True", "--model.norm-epsilon", "1e-5"]
    form += ["--tokenizer.vocab-size", "400"]
    return train(tmp_path_factory.mktemp("trained") / "run", corpus_folder, *form)
