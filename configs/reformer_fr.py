"""French by the Reformer, a decoder alone that reads thousands of tokens at once: novels, say, with empty lines between
them.

    mt train configs/reformer_fr.py --workdir runs/reformer_fr --data.train novels.txt --data.dev other_novels.txt \
        --data.test more_novels.txt
    mt generate runs/reformer_fr "Il fait"

A row holds data.batching.row_length tokens, each of which sees those before it in its document: in every other layer
those near by, and in the others those whose vectors hash alike, however far away. The model is that of gpt_fr.py but
for that, and for its memory, which is no larger the deeper it is. For longer rows, set model.max_positions with them.
"""

import dataclasses
import pathlib

from mt import config
from mt.models.reformer_lm import ReformerLmConfig


def get_config() -> config.RunConfig:
    """The config; see the top of this file."""
    french = config.read(pathlib.Path(__file__).with_name("gpt_fr.py"))
    batching = dataclasses.replace(
        french.data.batching, kind="documents", batch_tokens=4096, row_length=4096, shuffle_rows=True, row_multiple=1
    )
    filters = dataclasses.replace(french.data.filter, duplicates="keep")
    return dataclasses.replace(
        french,
        model=ReformerLmConfig(
            num_layers=4,
            model_dim=128,
            ff_dim=512,
            num_heads=4,
            activation="gelu",
            attention=("local", "lsh"),
            rounds=4,
            scale_embeddings=True,
            positions="sinusoidal",
            max_positions=4096,
            feed_forward_chunk=1024,
            dropout=0.1,
        ),
        data=dataclasses.replace(french.data, batching=batching, filter=filters),
        training=dataclasses.replace(french.training, loss_chunk=1024),
    )
