"""Multi30k, English to French: descriptions of pictures, 29,000 pairs that are read from the public files.

    mt train configs/multi30k_en_fr.py --workdir runs/multi30k_en_fr
    mt evaluate runs/multi30k_en_fr --moses

The model's size is that of Transformer-Tiny (Wu et al. 2021), which reports 61.80 BLEU on test_2016_flickr: of
lower-cased Moses tokens, which is what --moses gives, and not comparable with sacreBLEU's of detokenised text.

What was tried, by BLEU on val (greedy, cased, detokenised):

    Adam 5e-3, linear decay, warm-up 300, no average   1,250 steps   49.9   21 minutes on two AVX2 cores, not idle
"""

from mt.config import RunConfig
from mt.data.batching import BatchingConfig
from mt.data.pipeline import DataConfig
from mt.data.tokenizer import TokenizerConfig
from mt.decoding.beam_search import SearchConfig
from mt.models.transformer import TransformerConfig
from mt.training.loop import TrainingConfig
from mt.training.optimizer import OptimizerConfig


def get_config() -> RunConfig:
    """The config; see the top of this file."""
    return RunConfig(
        model=TransformerConfig(num_layers=4, model_dim=128, ff_dim=256, num_heads=4, norm="pre", dropout=0.3),
        tokenizer=TokenizerConfig(vocab_size=8000),
        data=DataConfig(
            train=("multi30k",),
            test="multi30k[test_2016_flickr]",
            batching=BatchingConfig("packing", batch_tokens=4096, row_length=64),
        ),
        optimizer=OptimizerConfig(learning_rate=5e-3, warmup_steps=2000),
        training=TrainingConfig(steps=8000, evaluate_every=500, average_decay=0.999, dev_search="greedy"),
        search=SearchConfig(beam_size=5, length_penalty=1.0),
    )
