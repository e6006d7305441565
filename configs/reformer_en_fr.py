"""English to French, whole documents at once: chapters, laws and manuals of up to 2,048 tokens; of longer ones, parts.

    MT_CORPORA=FOLDER mt train configs/reformer_en_fr.py --workdir runs/reformer
    mt translate runs/reformer < chapters.en > chapters.fr

FOLDER has folders with train.en, train.fr and so on, whose documents have blank lines between them. They are one pair
each, and in training stretches of all lengths; what is translated then is a document a line. The encoder's and the
decoder's positions see those near by in every other layer, and in the others those whose vectors hash alike, however
far away; the decoder sees its source whole. To compare with: documents_en_fr.py, of the same text, which translates
sentence by sentence with a memory of those before, and sentences_en_fr.py, without.
"""

import dataclasses
import pathlib

from mt import config
from mt.data.batching import BatchingConfig
from mt.models.reformer import ReformerConfig
from mt.training.loop import TrainingConfig


def get_config() -> config.RunConfig:
    """The config; see the top of this file."""
    documents = config.read(pathlib.Path(__file__).with_name("documents_en_fr.py"))
    batching = BatchingConfig("buckets", batch_tokens=4096, row_length=2048, num_buckets=4, row_multiple=1)
    return dataclasses.replace(
        documents,
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
        data=dataclasses.replace(documents.data, whole_documents=True, shortest_stretch=64, batching=batching),
        optimizer=dataclasses.replace(documents.optimizer, warmup_steps=150),
        training=TrainingConfig(steps=750, evaluate_every=375, dev_sentences=20, loss_chunk=1024),
    )
