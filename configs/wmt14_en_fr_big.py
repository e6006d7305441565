"""The big model of "Attention Is All You Need" (table 3) on WMT 2014 English to French.

    mt train configs/wmt14_en_fr_big.py --workdir runs/en_fr_big                   # one TPU VM; on a pod, on each host
    mt average runs/en_fr_big runs/en_fr_big_mean --last 20

The paper reports 41.8 BLEU on newstest2014 after 300,000 steps, from the mean of its last 20 checkpoints, ten minutes
of its machine apart. Data, vocabulary, batches, search and how to compare are those of wmt14_en_fr_base.py; the
learning rate is that of the formula for a width of 1024, and dropout stays 0.1 as for this pair there (section 6.1).

What `mt plan configs/wmt14_en_fr_big.py --topology v5e:2x4` says, and v5e:4x8 with `--model.remat True`, which saves no
memory at these sizes (bounds from the compiler's figures: it holds memory traffic for what limits both):

    one TPU VM of 8 cores      4.31 of 16 GB a core    at least 5.93 hours for the 300,000 steps
    a pod of 32 cores          4.45 of 16 GB           at least 4.15 hours
"""

import dataclasses
import pathlib

from mt import config
from mt.models.transformer import TransformerConfig


def get_config() -> config.RunConfig:
    """The config; see the top of this file."""
    base = config.read(pathlib.Path(__file__).with_name("wmt14_en_fr_base.py"))
    return dataclasses.replace(
        base,
        model=TransformerConfig(model_dim=1024, ff_dim=4096, num_heads=16, dropout=0.1, dtype="bfloat16"),
        optimizer=dataclasses.replace(base.optimizer, learning_rate=4.9e-4),
        training=dataclasses.replace(base.training, steps=300_000, evaluate_every=600, keep_last=20),
    )
