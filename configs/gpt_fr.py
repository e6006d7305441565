"""French by a decoder alone: a small GPT, on the French side of the sentences that ship with the package.

    mt train configs/gpt_fr.py --workdir runs/gpt_fr
    mt generate runs/gpt_fr "Il fait"

Any other text will do in place of it, such as --data.train novels.txt --data.dev other_novels.txt.
"""

from mt.config import RunConfig
from mt.data.batching import BatchingConfig
from mt.data.data_config import DataConfig
from mt.data.tokenizer import TokenizerConfig
from mt.models.gpt import GptConfig
from mt.training.loop import TrainingConfig
from mt.training.optimizer import OptimizerConfig


def get_config() -> RunConfig:
    """The config; see the top of this file."""
    return RunConfig(
        model=GptConfig(
            num_layers=4,
            model_dim=128,
            ff_dim=512,
            num_heads=4,
            max_positions=64,
            source_attention="causal",
            dropout=0.1,
            attention_dropout=0.0,
        ),
        tokenizer=TokenizerConfig(vocab_size=8000, kind="bpe"),
        data=DataConfig(
            source_language="",
            target_language="fr",
            train=("tatoeba_en_fr",),
            batching=BatchingConfig("packing", batch_tokens=2048, row_length=64),
        ),
        optimizer=OptimizerConfig(
            kind="muon",
            newton_schulz_steps=3,
            learning_rate=1e-2,
            schedule="linear",
            warmup_steps=400,
            clip_norm=1.0,
            weight_decay=0.1,
        ),
        training=TrainingConfig(steps=3000, label_smoothing=0.0, evaluate_every=1000, best_by="loss"),
    )
