"""Tatoeba, English to French, by a decoder alone that reads the English as the beginning of its text.

mt train configs/tatoeba_en_fr_gpt.py --workdir runs/gpt

The settings of tatoeba_en_fr_tiny.py but for the model, which has about as many parameters.
"""

import dataclasses
import pathlib

from mt import config
from mt.models.gpt import GptConfig


def get_config() -> config.RunConfig:
    """The config; see the top of this file."""
    tiny = config.read(pathlib.Path(__file__).with_name("tatoeba_en_fr_tiny.py"))
    model = GptConfig(
        num_layers=5, model_dim=128, ff_dim=512, num_heads=4, max_positions=128, dropout=0.1, attention_dropout=0.0
    )
    return dataclasses.replace(tiny, model=model)
