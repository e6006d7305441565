"""English to French on everyday sentences that ship with the package: under ten minutes on two CPU cores.

    mt train configs/tatoeba_en_fr_tiny.py --workdir runs/tiny

Expect 38 BLEU on the 2,000 test sentences: 38.03 after 7.8 minutes of training. What was tried, by the dev
set's negative log-likelihood in nats a French word (packed rows of 64, linear decay to zero; less is better).
The first three ran for 6 minutes; the last two for the steps that fit into 8.3 minutes at the step time measured when
nothing else ran, though beside other work:

    width  layers  batch   rate   steps   nats
    256    4 + 2   2,048   2e-3     866   3.17
    256    4 + 2   1,024   2e-3   1,684   3.09
    192    4 + 2   2,048   2e-3   1,282   2.95
    192    4 + 2   1,024   2e-3   3,530   2.50
    128    4 + 2   1,024   3e-3   5,300   2.47

So: small batches and a small model, because ten minutes are only two and a half epochs; no dropout, for the same
reason. A shallow decoder makes translating cheaper. Twelve length buckets gave 8,804 to 9,861 target tokens a second,
six 8,658, packing 7,719 to 8,211, in turn on the same machine; 93% of the buckets' target positions are tokens, 96% of
packing's.
"""

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
            num_layers=4, decoder_layers=2, model_dim=128, ff_dim=512, num_heads=4, norm="pre", dropout=0.0
        ),
        tokenizer=TokenizerConfig(vocab_size=4000),
        data=DataConfig(
            train=("tatoeba_en_fr",),
            batching=BatchingConfig("buckets", batch_tokens=1024, row_length=64, num_buckets=12),
        ),
        optimizer=OptimizerConfig(learning_rate=3e-3, schedule="linear", warmup_steps=400, clip_norm=1.0),
        training=TrainingConfig(steps=4700, evaluate_every=940, dev_sentences=500),
    )
