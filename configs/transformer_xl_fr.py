"""French by Transformer-XL, a decoder alone that remembers the text before: novels, say, with empty lines between them.

    mt train configs/transformer_xl_fr.py --workdir runs/xl_fr --data.train novels.txt --data.dev other_novels.txt \
        --data.test more_novels.txt
    mt generate runs/xl_fr "Il fait"

Each row of a batch goes on where that row of the batch before has ended, and sees model.memory_length tokens of it. The
model is that of gpt_fr.py but for its memory and for what it knows of positions, which is how far apart they are.
"""

import dataclasses
import pathlib

from mt import config
from mt.models.transformer_xl import TransformerXlConfig


def get_config() -> config.RunConfig:
    """The config; see the top of this file."""
    french = config.read(pathlib.Path(__file__).with_name("gpt_fr.py"))
    batching = dataclasses.replace(french.data.batching, kind="documents", batch_tokens=2048, row_length=128)
    filters = dataclasses.replace(french.data.filter, duplicates="keep")
    return dataclasses.replace(
        french,
        model=TransformerXlConfig(
            num_layers=4,
            model_dim=128,
            ff_dim=512,
            num_heads=4,
            activation="gelu",
            norm="pre",
            memory_length=128,
            dropout=0.1,
        ),
        data=dataclasses.replace(french.data, batching=batching, filter=filters),
    )
