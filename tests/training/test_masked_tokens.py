"""BERT's objective hides what the paper says, and counts what is hidden."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mt import parallel
from mt.models.bert import BertConfig
from mt.models.interface import Text
from mt.training.choosing import choose
from mt.training.masked_tokens import MaskedTokenObjective, MaskingConfig, exchange
from mt.training.train_step import evaluate_on_devices, make_evaluation_step
from tests.conftest import VOCAB, make_batch, random_params

MASK = 4
# Of words of two pieces: even ids begin them.
STARTS = np.arange(VOCAB) % 2 == 0


@pytest.fixture(scope="module")
def bert():
    config = BertConfig(num_layers=1, model_dim=16, ff_dim=32, num_heads=2, max_positions=64, dropout=0.0)
    model = dataclasses.replace(config, attention_dropout=0.0).build(VOCAB)
    return model, random_params(model)


def text_of_words(rows: int = 8, pairs: int = 2) -> dict:
    """Text alone: no source, two texts a row of words of two pieces."""
    random = np.random.default_rng(0)

    def words(count):
        return (random.integers(3, VOCAB // 2, count)[:, None] * 2 + np.arange(2)).reshape(-1).tolist()

    batch = make_batch([[([], words(5 + row % 3)) for _ in range(pairs)] for row in range(rows)], 4, 32)
    return {name: values[:, :0] if name.startswith("source") else values for name, values in batch.items()}


def test_eight_in_ten_are_hidden_and_one_is_another(bert):
    objective = MaskedTokenObjective(bert[0], MaskingConfig(), MASK, STARTS)
    right = jnp.full(20_000, 7)
    shown = np.array(objective._shown(right, jax.random.key(0)))
    assert np.mean(shown == MASK) == pytest.approx(0.8 + 0.1 / 28, abs=0.01)
    assert np.mean(shown == 7) == pytest.approx(0.1 + 0.1 / 28, abs=0.01)
    others = shown[(shown != MASK) & (shown != 7)]
    assert others.min() == 5 and others.max() == VOCAB - 1


def test_the_loss_is_that_of_the_chosen_tokens_in_the_text_with_them_hidden(bert):
    model, params = bert
    objective = MaskedTokenObjective(model, MaskingConfig(0.3), MASK, STARTS)
    batch = text_of_words()
    sums = jax.device_get(jax.jit(objective.loss, static_argnums=2)(params, batch, None))
    # What was shown is seen by standing in for the model.
    seen = {}

    class Spy:
        def apply(self, variables, *arguments, method, **options):
            if method == "hidden":
                seen["tokens"] = arguments[0].tokens
            return model.apply(variables, *arguments, method=method, **options)

    dataclasses.replace(objective, model=Spy()).loss(params, batch, None)
    text = Text.of(batch)
    logits, _ = model.apply({"params": params}, text._replace(tokens=seen["tokens"]))
    log_probs = np.array(jax.nn.log_softmax(logits))
    keys = jax.vmap(jax.random.fold_in, (None, 0))(jax.random.fold_in(jax.random.key(0), 1), jnp.arange(8))
    chosen = jax.device_get(choose(text.tokens, text.segments, keys, 0.3))
    tokens = np.array(text.tokens)
    every = [(row, place) for row in range(8) for place in chosen.places[row][chosen.there[row]]]
    assert sums["weight"] == len(every)
    assert {(r, p) for r, p in zip(*np.nonzero(np.array(seen["tokens"]) != tokens))} <= set(every)
    expected = -sum(log_probs[row, place, tokens[row, place]] for row, place in every)
    assert sums["nll"] == pytest.approx(expected, rel=1e-5) and sums["loss"] == pytest.approx(expected, rel=1e-5)
    assert sums["tokens"] == int((np.array(text.segments) > 0).sum())


def test_four_devices_hide_what_one_does(bert):
    model, params = bert
    batch = make_batch([[([5, 6, 7, 8], [9, 10, 11]), ([12, 13], [14, 15, 16])] for _ in range(8)], 16, 16)
    objective = MaskedTokenObjective(model, MaskingConfig(0.3, next_sentence=2.0), MASK, STARTS)
    alone = jax.jit(functools.partial(objective.loss, rng=None))(params, batch)
    rows = parallel.shard({name: np.array(values) for name, values in batch.items()})
    four, _ = evaluate_on_devices(make_evaluation_step(objective))((params, ()), rows)
    assert jax.device_count() == 4
    for name, value in alone.items():
        assert float(four[name]) == pytest.approx(float(value), rel=1e-5), name


def test_half_of_the_rows_have_their_second_texts_exchanged():
    batch = make_batch([[([5, row + 6], [row + 6, 9]), ([7], [8, 3, 4]), ([9], [10])] for row in range(8)], 12, 12)
    swaps = []
    for number in range(40):
        changed, swapped = exchange(batch, jax.random.split(jax.random.key(number), 8))
        swaps.append(np.array(swapped))
        before, after = np.array(batch["target_segments"]), np.array(changed["target_segments"])
        for row, is_swapped in enumerate(np.array(swapped)):
            passed_on = np.where(before[row] > 0, before[row] % 3 + 1, 0)
            assert np.array_equal(after[row], passed_on if is_swapped else before[row])
    assert 0.4 < np.mean(swaps) < 0.6


def test_the_next_sentence_is_told_from_the_first_token_of_the_first(bert):
    """Of rows with one pair alone, which cannot be exchanged, nothing is told; of others, all pairs are."""
    model, params = bert
    rows = [[([5, 6, 7], [8, 9]), ([10, 11], [12])], [([13, 14], [15, 16])]]
    batch = make_batch(rows, 8, 8)
    objective = MaskedTokenObjective(model, MaskingConfig(0.2, next_sentence=3.0), MASK, STARTS)
    sums = jax.jit(functools.partial(objective.loss, rng=None))(params, batch)
    assert float(sums["pairs"]) == 2
    plain = MaskedTokenObjective(model, MaskingConfig(0.2), MASK, STARTS)
    assert "pairs" not in plain.loss(params, batch, None)
    assert float(sums["loss"]) == pytest.approx(float(sums["nll"] + 3 * sums["next_sentence"]), rel=1e-5)
    text = Text.of(batch)
    assert text.kinds.tolist()[0] == [0] * 8 + [1] * 8
    assert text.positions.tolist()[0][8:13] == [4, 5, 6, 3, 4]  # each goes on where its first text ends
