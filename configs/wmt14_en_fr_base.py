"""The base model of "Attention Is All You Need" (table 3) on WMT 2014 English to French.

    mt train configs/wmt14_en_fr_base.py --workdir runs/wmt14_base

For one TPU VM (8 cores) or one machine with 8 GPUs. TFDS downloads WMT 2014 once (36M pairs), so the machine needs the
network, and about 30 GB of disk. The paper reports 38.1 BLEU on newstest2014 after 100,000 steps of about 25,000 source
and 25,000 target tokens, averaging its last 5 checkpoints; this config trains with as many tokens a step.

`data.batching.row_multiple` is 32 rows, so the same config, and the same batches, run on 1 to 32 devices.
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
        model=TransformerConfig(dtype="bfloat16"),
        tokenizer=TokenizerConfig(vocab_size=37_000, kind="bpe"),
        data=DataConfig(
            train=("wmt14_translate/fr-en",),
            batching=BatchingConfig("packing", batch_tokens=24_576, row_length=256, row_multiple=32),
        ),
        optimizer=OptimizerConfig(learning_rate=7e-4, warmup_steps=4000),
        training=TrainingConfig(steps=100_000, evaluate_every=5000, keep_last=5),
        search=SearchConfig(beam_size=4, length_penalty=0.6, max_length_factor=1.0, max_length_offset=50),
    )
