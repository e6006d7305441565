"""English by XLNet, an encoder alone that finds a sixth of the tokens in a random order: on the English side of the
sentences that ship with the package.

    mt train configs/xlnet_en.py --workdir runs/xlnet_en

A translator starts from it with --encoder-from runs/xlnet_en. Of text whose lines follow each other, with empty lines
between its documents, it can remember what stood before, and read every other row from its end to its beginning:
--data.train novels.txt --data.dev other_novels.txt --data.batching.kind documents --model.memory-length 128
--data.batching.backwards True. The model is that of bert_en.py but for what it knows of positions, which is how far
apart they are.
"""

import dataclasses
import pathlib

from mt import config
from mt.models.xlnet import XlnetConfig
from mt.training.masked_tokens import MaskingConfig


def get_config() -> config.RunConfig:
    """The config; see the top of this file."""
    return dataclasses.replace(
        config.read(pathlib.Path(__file__).with_name("bert_en.py")),
        model=XlnetConfig(
            num_layers=4,
            model_dim=128,
            ff_dim=512,
            num_heads=4,
            dropout=0.1,
            attention_dropout=0.0,
            activation_dropout=0.0,
        ),
        masking=MaskingConfig(share=1 / 6, whole_words=True),
    )
