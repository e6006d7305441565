"""English to French on everyday sentences that ship with the package, for one accelerator.

    mt train configs/tatoeba_en_fr_small.py --workdir runs/small

A model of 4 + 4 layers and 256 channels, with the dropout that 146,499 pairs need when they are seen thirty times: for
a GPU or a Colab TPU, where it takes minutes. On two CPU cores it takes hours; there, use tatoeba_en_fr_tiny.py. Not
trained to its end yet, so no score is promised.

`data.batching.row_multiple` is 32 rows, so the same config, and the same batches, run on 1 to 32 devices.
"""

from mt.config import RunConfig
from mt.data.batching import BatchingConfig
from mt.data.data_config import DataConfig
from mt.data.tokenizer import TokenizerConfig
from mt.models.transformer import TransformerConfig
from mt.training.loop import TrainingConfig
from mt.training.optimizer import OptimizerConfig


def get_config() -> RunConfig:
    """The config; see the top of this file."""
    return RunConfig(
        model=TransformerConfig(num_layers=4, model_dim=256, ff_dim=1024, num_heads=4, norm="pre", dropout=0.2),
        tokenizer=TokenizerConfig(vocab_size=8000),
        data=DataConfig(
            train=("tatoeba_en_fr",), batching=BatchingConfig(batch_tokens=8192, row_length=128, row_multiple=32)
        ),
        optimizer=OptimizerConfig(learning_rate=2e-3, warmup_steps=2000, clip_norm=1.0),
        training=TrainingConfig(steps=6000, evaluate_every=500),
    )
