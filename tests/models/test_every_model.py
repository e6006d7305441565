"""Of every model that translates: neighbours change no sentence, and steps with a cache are one pass."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mt.models.document_transformer import DocumentTransformerConfig
from mt.models.gpt import GptConfig
from mt.models.reformer import ReformerConfig
from tests.conftest import VOCAB, make_batch, random_params, tiny_config

PAIRS = [([5, 6, 7], [8, 9]), ([10, 11], [12, 13, 14, 15]), ([16], [17])]
TRANSFORMERS = {
    "post": {},
    "pre": {"norm": "pre"},
    "swiglu": {"activation": "swiglu", "tie_embeddings": "none"},
    "gelu": {"activation": "gelu", "tie_embeddings": "target"},
    "learned": {"positions": "learned", "max_positions": 16},
    "rotary": {"positions": "rotary"},
    "alibi": {"positions": "alibi", "norm": "pre"},
    "relative": {"positions": "relative"},
    "depths": {"num_layers": 3, "decoder_layers": 1},
}
GPT = dict(num_layers=2, model_dim=16, ff_dim=32, num_heads=2, max_positions=24, dropout=0.0, attention_dropout=0.0)
REFORMER = dict(
    # Of chunks that hold all: shorter ones stand elsewhere in a row of several.
    **dict(num_layers=2, model_dim=16, ff_dim=32, num_heads=2, dropout=0.0, max_positions=24, rounds=2),
    **dict(lsh_chunk=24, local_chunk=24, buckets=(4,)),
)
CONFIGS = {name: tiny_config(**changes) for name, changes in TRANSFORMERS.items()} | {
    "documents": DocumentTransformerConfig(
        num_layers=2, model_dim=16, ff_dim=32, num_heads=2, dropout=0.0, memory_length=5
    ),
    "reformer": ReformerConfig(**REFORMER),
    "reformer, sines": ReformerConfig(**REFORMER, positions="sinusoidal", scale_embeddings=True),
    "reformer, rotary": ReformerConfig(**REFORMER, positions="rotary"),
    "gpt, full": GptConfig(**GPT, source_attention="full"),
    "gpt, causal": GptConfig(**GPT, source_attention="causal"),
}


@pytest.fixture(scope="module", params=CONFIGS)
def variant(request):
    model = CONFIGS[request.param].build(VOCAB)
    return model, random_params(model), jax.jit(model.apply)


def test_packing_and_padding_change_no_sentence(variant):
    model, params, apply = variant
    packed = apply({"params": params}, make_batch([PAIRS], 10, 12))
    begin = 0
    for pair in PAIRS:
        alone = apply({"params": params}, make_batch([[pair]], len(pair[0]) + 1, len(pair[1]) + 1))
        np.testing.assert_allclose(packed[0, begin : begin + alone.shape[1]], alone[0], atol=2e-5)
        begin += alone.shape[1]


def test_steps_with_a_cache_are_one_forward_pass(variant):
    model, params, apply = variant
    source, target = PAIRS[1]
    whole = apply({"params": params}, make_batch([[PAIRS[1]]], 3, 5))
    padded_source = jnp.array([[*source, 2, 0, 0]])
    cache = jax.jit(model.start, static_argnums=(2, 3))(params, padded_source, 2, 8)
    step = jax.jit(model.step)
    for position, token in enumerate([1, *target]):
        # The second hypothesis goes astray, and every step both go on from the first: what it wrote must not be seen.
        logits, cache = step(params, jnp.array([[token, 20 + position]]), cache)
        np.testing.assert_allclose(logits[0, 0], whole[0, position], atol=2e-5)
        cache = model.reorder(cache, jnp.array([[0, 0]]))
