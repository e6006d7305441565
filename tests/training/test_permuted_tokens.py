"""XLNet's objective asks for tokens one by one in a random order, on any number of devices."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mt import parallel
from mt.models.interface import Order, Text
from mt.models.xlnet import XlnetConfig
from mt.training.choosing import Chosen, choose
from mt.training.masked_tokens import MaskingConfig
from mt.training.permuted_tokens import PermutedTokenObjective, in_order
from mt.training.train_step import evaluate_on_devices, make_evaluation_step
from tests.conftest import VOCAB, random_params
from tests.training.test_masked_tokens import STARTS, text_of_words


@pytest.fixture(scope="module")
def xlnet():
    rates = dict.fromkeys(("dropout", "attention_dropout", "activation_dropout"), 0.0)
    model = XlnetConfig(num_layers=1, model_dim=16, ff_dim=32, num_heads=2, **rates).build(VOCAB)
    return model, random_params(model)


def test_the_chosen_come_one_by_one_after_all_others():
    chosen = Chosen(jnp.array([[4, 1, 7], [0, 2, 5]]), jnp.array([[True, True, True], [True, True, False]]))
    orders = set()
    for number in range(40):
        seen, places = jax.device_get(in_order(chosen, 8, jax.random.split(jax.random.key(number), 2)))
        np.testing.assert_array_equal(places, chosen.places)
        for row, own in enumerate(([4, 1, 7], [0, 2])):
            others = [place for place in range(8) if place not in own]
            for place in range(8):
                assert seen[row, place, others].all() and (place in own or not seen[row, place, own].any())
            # Each sees one more than the one before, and no one itself: they are in an order.
            numbers = seen[row][np.ix_(own, own)].sum(axis=1)
            assert sorted(numbers) == list(range(len(own)))
            orders.add((row, *numbers))
    assert len(orders) == 6 + 2


def test_the_loss_is_that_of_the_chosen_given_those_before_them(xlnet):
    model, params = xlnet
    objective = PermutedTokenObjective(model, MaskingConfig(0.3), STARTS)
    batch = text_of_words()
    sums = jax.device_get(jax.jit(functools.partial(objective.loss, rng=None))(params, batch))
    text = Text.of(batch)
    keys = jax.vmap(jax.random.fold_in, (None, 0))(jax.random.fold_in(jax.random.key(0), 1), jnp.arange(8))
    chosen = choose(text.tokens, text.segments, keys, 0.3)
    order = in_order(chosen, text.tokens.shape[1], keys)
    expected, count = 0.0, 0
    find = jax.jit(
        lambda tokens, order: model.apply(
            {"params": params},
            model.apply(
                {"params": params},
                Text.in_rows(batch)._replace(tokens=tokens),
                model.initial_carry(8),
                order,
                method="read",
            )[1],
            method="logits",
        )
    )
    for number in range(chosen.places.shape[1]):
        place = chosen.places[:, number : number + 1]
        # What is not seen cannot matter: it is replaced.
        seen = jnp.take_along_axis(order.seen, place[..., None], axis=1)[:, 0]
        tokens = jnp.where(seen, text.tokens, 9)
        log_probs = jax.nn.log_softmax(find(tokens, Order(order.seen, place)))[:, 0]
        right = jnp.take_along_axis(text.tokens, place, axis=1)[:, 0]
        for row in np.flatnonzero(chosen.there[:, number]):
            expected -= float(log_probs[row, right[row]])
            count += 1
    assert sums["weight"] == count and sums["tokens"] == int((np.array(text.segments) > 0).sum())
    assert sums["nll"] == pytest.approx(expected, rel=1e-5) and sums["loss"] == pytest.approx(expected, rel=1e-5)


def test_backwards_words_are_whole_too(xlnet):
    objective = PermutedTokenObjective(xlnet[0], MaskingConfig(0.3, whole_words=True), STARTS)
    batch = text_of_words()
    turned = {name: values[:, ::-1] for name, values in batch.items()}
    none, every = jnp.zeros(8, bool), jnp.ones(8, bool)
    forth, back = objective._begins(batch, none), objective._begins(turned, every)
    for row in range(8):
        words = [np.cumsum(begins[row]) for begins in (forth, back)]
        whole = np.flatnonzero(batch["target_segments"][row] * (batch["target_tokens"][row] != 2))
        for one in whole:
            for other in whole:
                together = words[0][one] == words[0][other]
                assert together == (words[1][-1 - one] == words[1][-1 - other])


def test_four_devices_ask_what_one_does(xlnet):
    model, params = xlnet
    objective = PermutedTokenObjective(model, MaskingConfig(0.3), STARTS)
    batch = text_of_words()
    alone = jax.jit(functools.partial(objective.loss, rng=None))(params, batch)
    rows = parallel.shard({name: np.array(values) for name, values in batch.items()})
    four, _ = evaluate_on_devices(make_evaluation_step(objective))((params, ()), rows)
    assert jax.device_count() == 4
    for name, value in alone.items():
        assert float(four[name]) == pytest.approx(float(value), rel=1e-5), name
