"""English to French, whole documents at once: chapters, laws and manuals of up to 2,048 tokens; of longer
ones, parts.

    MT_CORPORA=FOLDER mt train configs/reformer_en_fr.py --workdir runs/reformer
    mt translate runs/reformer < chapters.en > chapters.fr

FOLDER has folders with train.en, train.fr and so on, whose documents have blank lines between them. They are one pair
each, and in training stretches of all lengths; what is translated then is a document a line. The encoder's and the
decoder's positions see those near by in every other layer, and in the others those whose vectors hash alike, however
far away; the decoder sees its source whole. To compare with: documents_en_fr.py, which translates sentence by sentence
with a memory of those before, and sentences_en_fr.py, without: both see twice as many tokens in about the same time.
"""

from mt.config import RunConfig
from mt.data.batching import BatchingConfig
from mt.data.data_config import DataConfig
from mt.data.tokenized import FilterConfig
from mt.data.tokenizer import TokenizerConfig
from mt.models.reformer import ReformerConfig
from mt.training.loop import TrainingConfig
from mt.training.optimizer import OptimizerConfig


def get_config() -> RunConfig:
    """The config; see the top of this file."""
    return RunConfig(
        model=ReformerConfig(
            num_layers=4,
            model_dim=128,
            ff_dim=512,
            num_heads=4,
            attention=("local", "lsh"),
            rounds=2,
            max_positions=4096,
            axial_columns=64,
            feed_forward_chunk=1024,
            cross_chunk=1024,
            dropout=0.1,
        ),
        tokenizer=TokenizerConfig(vocab_size=8000, kind="bpe"),
        data=DataConfig(
            train=(
                "$MT_CORPORA/bible-docs",
                "$MT_CORPORA/php-docs",
                "$MT_CORPORA/python-docs",
                "$MT_CORPORA/canlaws-docs",
            ),
            train_weights=(1, 1, 1, 0.1),
            whole_documents=True,
            shortest_stretch=64,
            batching=BatchingConfig("buckets", batch_tokens=4096, row_length=2048, num_buckets=4, row_multiple=1),
            filter=FilterConfig(duplicates="keep"),
        ),
        optimizer=OptimizerConfig(
            kind="muon", newton_schulz_steps=3, learning_rate=1e-2, schedule="linear", warmup_steps=150, clip_norm=1.0
        ),
        training=TrainingConfig(steps=750, evaluate_every=375, dev_sentences=20, loss_chunk=1024),
    )
