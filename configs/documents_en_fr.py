"""English to French, documents in place of sentences: chapters, laws and manuals, each sentence read with the memory of
those before it, and written with that of their translations.

    MT_CORPORA=FOLDER mt train configs/documents_en_fr.py --workdir runs/documents
    mt translate runs/documents --documents < book.en > book.fr

FOLDER has folders with train.en, train.fr and so on, whose documents have blank lines between them; any others do:
--data.train novels --data.train-weights 1 --data.dev others. The same model that reads each sentence by itself, to
compare with, is sentences_en_fr.py, and this one can go on from that one's: --start-from runs/sentences.
"""

from mt.config import RunConfig
from mt.data.batching import BatchingConfig
from mt.data.data_config import DataConfig
from mt.data.tokenized import FilterConfig
from mt.data.tokenizer import TokenizerConfig
from mt.models.document_transformer import DocumentTransformerConfig
from mt.training.loop import TrainingConfig
from mt.training.optimizer import OptimizerConfig


def get_config() -> RunConfig:
    """The config; see the top of this file."""
    return RunConfig(
        model=DocumentTransformerConfig(
            num_layers=4, model_dim=128, ff_dim=512, num_heads=4, norm="pre", dropout=0.1, memory_length=128
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
            batching=BatchingConfig("documents", batch_tokens=2048, row_length=128),
            filter=FilterConfig(duplicates="keep"),
        ),
        optimizer=OptimizerConfig(
            kind="muon", newton_schulz_steps=3, learning_rate=1e-2, schedule="linear", warmup_steps=400, clip_norm=1.0
        ),
        training=TrainingConfig(steps=3000, evaluate_every=1500, dev_sentences=300),
    )
