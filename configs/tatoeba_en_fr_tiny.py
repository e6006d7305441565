"""English to French on everyday sentences that ship with the package."""

from mt.config import RunConfig
from mt.data.batching import BatchingConfig
from mt.data.pipeline import DataConfig
from mt.data.tokenizer import TokenizerConfig
from mt.models.transformer import TransformerConfig
from mt.training.loop import TrainingConfig
from mt.training.optimizer import OptimizerConfig


def get_config() -> RunConfig:
    """The config; see the top of this file."""
    return RunConfig(
        model=TransformerConfig(
            num_layers=4, decoder_layers=2, model_dim=192, ff_dim=768, num_heads=4, norm="pre", dropout=0.0
        ),
        tokenizer=TokenizerConfig(vocab_size=4000),
        data=DataConfig(train=("tatoeba_en_fr",), batching=BatchingConfig(batch_tokens=2048, row_length=64)),
        optimizer=OptimizerConfig(learning_rate=2e-3, schedule="linear", warmup_steps=150, clip_norm=1.0),
        training=TrainingConfig(steps=1500, evaluate_every=500, dev_sentences=500),
    )
