"""One file a model: its frozen config beside its Flax module."""

from typing import TypeAlias

from mt.models.bert import BertConfig
from mt.models.document_transformer import DocumentTransformerConfig
from mt.models.gpt import GptConfig
from mt.models.reformer import ReformerConfig
from mt.models.reformer_lm import ReformerLmConfig
from mt.models.transformer import TransformerConfig
from mt.models.transformer_xl import TransformerXlConfig
from mt.models.xlnet import XlnetConfig

# What a run's model may be; a config's `architecture` says which. The first is what is meant where nothing is said.
ModelConfig: TypeAlias = (
    TransformerConfig
    | DocumentTransformerConfig
    | GptConfig
    | BertConfig
    | TransformerXlConfig
    | XlnetConfig
    | ReformerConfig
    | ReformerLmConfig
)
