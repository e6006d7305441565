"""English to French, each sentence read by itself: what documents_en_fr.py is compared with. Of the same data, sizes,
positions and updates, but without memory.

    MT_CORPORA=FOLDER mt train configs/sentences_en_fr.py --workdir runs/sentences
"""

import dataclasses
import pathlib

from mt import config
from mt.models.transformer import TransformerConfig


def get_config() -> config.RunConfig:
    """The config; see the top of this file."""
    documents = config.read(pathlib.Path(__file__).with_name("documents_en_fr.py"))
    fields = [field.name for field in dataclasses.fields(TransformerConfig) if field.name != "architecture"]
    data = documents.data
    return dataclasses.replace(
        documents,
        model=TransformerConfig(**{field: getattr(documents.model, field) for field in fields}),
        data=dataclasses.replace(data, batching=dataclasses.replace(data.batching, kind="packing")),
    )
