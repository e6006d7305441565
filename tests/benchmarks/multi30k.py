"""Transformer-Tiny on Multi30k, English to French, as the other toolkits' `train_hf.py` trains it.

Their batches are of 4,096 target positions, sorted by length, and theirs is the vocabulary's size; the folder is that
of $MT_CORPORA.
"""

import os

from mt.config import RunConfig
from mt.data.batching import BatchingConfig
from mt.data.data_config import DataConfig
from mt.data.tokenized import FilterConfig
from mt.data.tokenizer import TokenizerConfig
from mt.models.transformer import TransformerConfig
from mt.training.optimizer import OptimizerConfig


def get_config() -> RunConfig:
    """The config; see the top of this file."""
    batching = BatchingConfig(batch_tokens=4096, row_length=64, row_multiple=8)
    folder = f"{os.environ['MT_CORPORA']}/multi30k"
    return RunConfig(
        model=TransformerConfig(num_layers=4, model_dim=128, ff_dim=256, num_heads=4, dropout=0.3),
        tokenizer=TokenizerConfig(vocab_size=8000),
        data=DataConfig(train=(folder,), dev=f"{folder}[val]", batching=batching, filter=FilterConfig(max_length=64)),
        optimizer=OptimizerConfig(learning_rate=5e-3, warmup_steps=2000),
    )
