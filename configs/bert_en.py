"""English by an encoder alone: a small BERT, on the English side of the sentences that ship with the package.

    mt train configs/bert_en.py --workdir runs/bert_en

Any other text will do in place of it, such as --data.train novels.txt --data.dev other_novels.txt. For next-sentence
prediction too, which needs lines that follow each other: --data.source-language en --masking.next-sentence 20
--model.max-positions 128, and a text in which they do.
"""

import dataclasses
import pathlib

from mt import config
from mt.models.bert import BertConfig
from mt.training.masked_tokens import MaskingConfig


def get_config() -> config.RunConfig:
    """The config; see the top of this file."""
    french = config.read(pathlib.Path(__file__).with_name("gpt_fr.py"))
    batching = dataclasses.replace(french.data.batching, batch_tokens=4096)
    return dataclasses.replace(
        french,
        model=BertConfig(
            num_layers=4, model_dim=128, ff_dim=512, num_heads=4, max_positions=64, dropout=0.1, attention_dropout=0.0
        ),
        data=dataclasses.replace(french.data, target_language="en", batching=batching),
        optimizer=dataclasses.replace(french.optimizer, learning_rate=5e-3),
        masking=MaskingConfig(whole_words=True),
    )
