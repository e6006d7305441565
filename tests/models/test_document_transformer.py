"""What a document's translator reads sentence by sentence is what it reads at once, and its search's steps are too."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mt.errors import UserError
from mt.models.document_transformer import DocumentTransformerConfig
from tests.conftest import VOCAB, make_batch, random_params

# Three sentences of a document, then one of another.
PAIRS = [([5, 6, 7], [8, 9]), ([10, 11], [12, 13, 14, 15]), ([16, 17, 18, 19], [20]), ([21, 22], [23, 24, 25])]
DOCUMENTS = [1, 1, 1, 2]


def _model(**changes):
    sizes = dict(num_layers=2, model_dim=16, ff_dim=32, num_heads=2, dropout=0.0, memory_length=32)
    model = DocumentTransformerConfig(**(sizes | changes)).build(VOCAB)
    return model, random_params(model)


def _row(pairs, documents, lengths=(20, 20)):
    batch = make_batch([pairs], *lengths)
    numbers = jnp.asarray([0, *documents])
    return batch | {f"{side}_documents": numbers[batch[f"{side}_segments"]] for side in ("source", "target")}


@pytest.mark.parametrize("memory_length", [32, 3])
@pytest.mark.parametrize("changes", [{}, {"norm": "pre", "positions": "rotary"}, {"positions": "alibi"}])
def test_sentence_by_sentence_is_at_once(memory_length, changes):
    model, params = _model(memory_length=memory_length, **changes)
    read = jax.jit(lambda batch, carry: model.apply({"params": params}, batch, carry, method="read"))
    whole, _ = read(_row(PAIRS, DOCUMENTS), model.initial_carry(1))
    carry, start = model.initial_carry(1), 0
    for pair, document in zip(PAIRS, DOCUMENTS):
        alone, carry = read(_row([pair], [document], (8, 8)), carry)
        stop = start + len(pair[1]) + 1
        np.testing.assert_allclose(alone[0, : stop - start], whole[0, start:stop], atol=1e-5)
        start = stop


def test_what_is_remembered_matters_within_a_document_alone():
    model, params = _model()

    def hidden(table, number):
        replaced = params | {"target_embedding": {"table": table}}
        found = model.apply({"params": replaced}, _row(PAIRS, DOCUMENTS), method="hidden")
        place = sum(len(target) + 1 for _, target in PAIRS[: number + 1]) - 1
        return jnp.sum(jnp.square(found[0, place]))

    gradient = jax.jit(jax.grad(hidden), static_argnums=1)
    for number, own in ((2, [0, 1, 2]), (3, [3])):
        seen = np.flatnonzero(np.any(np.asarray(gradient(params["target_embedding"]["table"], number)) != 0, axis=1))
        tokens = {token for each in own for side in PAIRS[each] for token in side}
        assert set(seen) - {1, 2} == tokens


@pytest.mark.parametrize("changes", [{}, {"norm": "pre", "positions": "rotary"}, {"positions": "alibi"}])
def test_steps_of_a_search_are_what_is_read(changes):
    model, params = _model(memory_length=4, **changes)
    read = jax.jit(lambda batch, carry: model.apply({"params": params}, batch, carry, method="read"))
    start = jax.jit(model.start_after, static_argnums=(2, 3))
    step = jax.jit(model.step)
    carry = model.initial_carry(1)
    for pair in PAIRS[:3]:
        batch = _row([pair], [1], (8, 8))
        hidden, after = read(batch, carry)
        expected = model.apply({"params": params}, hidden, method="logits")
        cache = start(params, batch["source_tokens"], 2, 8, carry)
        for place, token in enumerate([1, *pair[1]]):
            # The second hypothesis has written something else.
            logits, cache = step(params, jnp.array([[token, 3]]), cache)
            np.testing.assert_allclose(logits[0, 0], expected[0, place], atol=1e-4)
        carry = after


def test_what_cannot_be_is_refused():
    for field, value in (("memory_length", 0), ("positions", "sinusoidal")):
        with pytest.raises(UserError, match=f"model.{field}"):
            _model(**{field: value})
