"""A translator whose encoder is BERT's and whose decoder is GPT's computes what they do."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mt.errors import UserError
from mt.models.bert import BertConfig
from mt.models.gpt import GptConfig
from mt.models.interface import Text
from mt.models.joining import joined, joined_params
from mt.models.transformer import TransformerConfig
from tests.conftest import VOCAB, make_batch, random_params, tiny_config

SIZES = dict(num_layers=2, model_dim=16, ff_dim=32, num_heads=2, dropout=0.0, attention_dropout=0.0)
SIZES |= dict(activation="gelu", norm_epsilon=1e-6)
NAMES = {"encoder": "a", "decoder": "b"}


@pytest.fixture(scope="module")
def parts():
    bert = BertConfig(**SIZES, max_positions=20).build(VOCAB)
    gpt = GptConfig(**SIZES, max_positions=16).build(VOCAB)
    return {"encoder": (bert, random_params(bert)), "decoder": (gpt, random_params(gpt, 5))}


def _joined(parts, config=None):
    config = config or tiny_config()
    model = joined(config, {side: module.config for side, (module, _) in parts.items()}, NAMES).build(VOCAB)
    begun = random_params(model, 9)
    return model, joined_params(begun, parts), begun


def test_the_encoder_is_bert_and_the_decoder_gpt(parts):
    model, params, _ = _joined(parts)
    assert model.config.max_positions == 16 and model.config.tie_embeddings == "target"
    batch = make_batch([[([5, 6, 7], [8, 9]), ([10, 11], [12, 13, 14])], [([15], [16, 17, 18, 19])]], 8, 8)
    sides = [batch[f"source_{field}"] for field in ("tokens", "positions", "segments")]
    encoded = model.apply({"params": params}, *sides, method="encode")
    bert, own = parts["encoder"]
    text = Text(*sides, jnp.zeros_like(sides[0]))
    np.testing.assert_allclose(encoded, bert.apply({"params": own}, text, method="hidden"), atol=1e-5)

    # Without what it looks at the source by, the decoder is the language model.
    blind = jax.tree_util.tree_map_with_path(
        lambda path, leaf: leaf * 0 if any(key.key == "cross_attention" for key in path) else leaf, params
    )
    gpt, own = parts["decoder"]
    nothing = {name: values[:, :0] if name.startswith("source") else values for name, values in batch.items()}
    np.testing.assert_allclose(model.apply({"params": blind}, batch), gpt.apply({"params": own}, nothing), atol=1e-4)
    steps = jax.jit(model.start, static_argnums=(2, 3))(params, batch["source_tokens"][1:, :2], 1, 6)
    whole = model.apply({"params": params}, {name: values[1:] for name, values in batch.items()})
    for place, token in enumerate([1, 16, 17]):
        logits, steps = model.step(params, jnp.array([[token]]), steps)
        np.testing.assert_allclose(logits[0, 0], whole[0, place], atol=1e-4)


def test_one_part_leaves_the_other_as_the_config_has_it(parts):
    config = tiny_config(num_layers=3, decoder_layers=1, norm="pre", tie_embeddings="none")
    model, params, begun = _joined({"encoder": parts["encoder"]}, config)
    assert (model.config.num_layers, model.config.decoder_depth) == (2, 1)
    assert model.config.norms == {"encoder": "post", "decoder": "pre"} and model.config.tie_embeddings == "none"
    assert all(params[name] is begun[name] for name in begun if name.startswith("decoder"))
    model, params, begun = _joined({"decoder": parts["decoder"]}, config)
    assert (model.config.num_layers, model.config.decoder_depth) == (3, 2)
    assert all(params[name] is begun[name] for name in begun if name.startswith("encoder"))
    kept = begun["decoder_layers_0"]["cross_attention"]["query"]["kernel"]
    assert params["decoder_layers_0"]["cross_attention"]["query"]["kernel"] is kept


def test_what_does_not_go_together_is_said(parts):
    forms = {side: module.config for side, (module, _) in parts.items()}
    wide = dataclasses.replace(forms["decoder"], model_dim=32)
    with pytest.raises(UserError, match="model.model_dim is 16 in a and 32 in b; train them with the same"):
        joined(TransformerConfig(), forms | {"decoder": wide}, NAMES)
    with pytest.raises(UserError, match="decoder_from: b is a bert, from which no decoder is taken"):
        joined(TransformerConfig(), {"decoder": forms["encoder"]}, NAMES)
    with pytest.raises(UserError, match="are for a transformer, and the model is a gpt"):
        joined(GptConfig(), forms, NAMES)
