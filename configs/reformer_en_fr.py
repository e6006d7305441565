"""English to French, whole documents at once: chapters, laws and manuals of up to 512 tokens; of longer ones, parts.

    export MT_CORPORA=FOLDER
    mt train configs/reformer_en_fr.py --workdir runs/reformer_lines --data.whole-documents False \
        --data.shortest-stretch 0 --data.batching.row-length 128 --training.steps 1200 --optimizer.learning-rate 1e-2 \
        --optimizer.warmup-steps 200
    mt train configs/reformer_en_fr.py --workdir runs/reformer --start-from runs/reformer_lines
    mt translate runs/reformer < chapters.en > chapters.fr

FOLDER has folders with train.en, train.fr and so on, whose documents have blank lines between them. The first training
is of single lines, of which it is learned sooner which words are translations of which. In the second, documents are
one pair each, and stretches of all lengths; what is translated then is a document a line. The encoder's and the
decoder's positions see those near by in every other layer, and in the others those whose vectors hash alike, however
far away; positions are rotary, so that the decoder finds its place in the source by what stands there, and not at the
same number. It sees its source whole. To compare with: documents_en_fr.py, of the same text, which translates
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
    batching = BatchingConfig("packing", batch_tokens=2048, row_length=512, row_multiple=1)
    return dataclasses.replace(
        documents,
        model=ReformerConfig(
            num_layers=4,
            model_dim=128,
            ff_dim=512,
            num_heads=4,
            attention=("local", "lsh"),
            rounds=2,
            scale_embeddings=True,
            positions="rotary",
            max_positions=4096,
            feed_forward_chunk=1024,
            dropout=0.1,
        ),
        data=dataclasses.replace(documents.data, whole_documents=True, shortest_stretch=16, batching=batching),
        optimizer=dataclasses.replace(documents.optimizer, learning_rate=8e-3, warmup_steps=100),
        training=TrainingConfig(steps=1500, evaluate_every=750, dev_sentences=8, best_by="loss", loss_chunk=1024),
    )
