"""One file a model: its frozen config beside its Flax module."""

from mt.models.transformer import TransformerConfig

ModelConfig = TransformerConfig
