"""Updates are the same however the rows are spread: over devices, or over accumulation steps."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mt import parallel
from mt.layers.attention_maps import maps_of
from mt.layers.dropout import drop, key_words
from mt.training.objectives import TranslationObjective
from mt.training.train_step import (
    evaluate_on_devices,
    initial_state,
    make_evaluation_step,
    make_train_step,
    train_on_devices,
)
from tests.conftest import VOCAB, make_batch, random_params, tiny_config

# Rows of very different fullness: a mean of the devices' means would differ.
ROWS = [
    [([5, 6, 7], [8, 9, 10, 11, 12, 13]), ([4], [6])],
    [],
    [([9], [10])],
    [([11, 12], [13, 14, 15])],
    [([3, 4, 5], [6, 7, 8])],
    [],
    [([20, 21], [22])],
    [([23], [24, 25, 26, 27, 28, 29, 30])],
]
BATCH = {name: np.asarray(rows) for name, rows in make_batch(ROWS, 8, 10).items()}


def _update(devices, accumulation_steps=1, steps=1, seed=7, consistency=0.0, **options):
    model = tiny_config(num_layers=1, **options).build(VOCAB)
    # Plain gradient descent: Adam would hide a wrong scale of the gradient.
    optimizer = optax.sgd(0.5)
    state = initial_state(random_params(model), optimizer)
    step = make_train_step(TranslationObjective(model, 0.1, consistency), optimizer, seed, accumulation_steps)
    run = train_on_devices(step, devices=jax.devices()[:devices])
    batch = {name: rows.reshape(devices, -1, *rows.shape[1:]) for name, rows in BATCH.items()}
    for _ in range(steps):
        state, metrics = run(state, batch)
    return jax.device_get(state), jax.device_get(metrics)


# All that draws random bits.
DROPOUT = dict(dropout=0.3, attention_dropout=0.2, activation_dropout=0.1, stochastic_depth=0.4, consistency=2.0)


@pytest.fixture(scope="module")
def alone():
    return _update(1)


@pytest.mark.parametrize(
    ("devices", "accumulation_steps", "options"), [(4, 1, {}), (2, 4, {}), (4, 1, DROPOUT), (2, 1, DROPOUT)]
)
def test_spread_rows_give_the_same_update(alone, devices, accumulation_steps, options):
    expected = alone if not options else _update(1, **options)
    state, metrics = _update(devices, accumulation_steps, **options)
    for one, other in zip(jax.tree.leaves(expected[0].params), jax.tree.leaves(state.params), strict=True):
        np.testing.assert_allclose(one, other, atol=2e-6)
    assert metrics["weight"] == (BATCH["target_segments"] > 0).sum()
    for name in metrics:
        assert metrics[name] == pytest.approx(expected[1][name], rel=1e-5)


def test_accumulated_rows_draw_the_same_on_any_number_of_devices():
    one, two = (_update(devices, 2, dropout=0.3)[0].params for devices in (1, 2))
    jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, atol=2e-6), one, two)


def test_the_update_is_the_gradient_of_the_mean(alone):
    model = tiny_config(num_layers=1).build(VOCAB)
    params = random_params(model)
    objective = TranslationObjective(model, 0.1)

    def mean(params):
        sums = objective.loss(params, BATCH, jax.random.key(0))
        return sums["loss"] / jnp.sum(BATCH["target_segments"] > 0)

    gradient = jax.jit(jax.grad(mean))(params)
    expected = jax.tree.map(lambda param, slope: param - 0.5 * slope, params, gradient)
    for one, other in zip(jax.tree.leaves(expected), jax.tree.leaves(alone[0].params), strict=True):
        np.testing.assert_allclose(one, other, atol=2e-6)


def test_dropout_differs_a_row_a_step_and_a_seed_but_not_a_run():
    def changes(**options):
        return np.concatenate([leaf.ravel() for leaf in jax.tree.leaves(_update(dropout=0.5, **options)[0].params)])

    first = changes(devices=4)
    np.testing.assert_array_equal(first, changes(devices=4))
    assert not np.allclose(first, changes(devices=4, seed=8), atol=1e-4)

    class Spy:
        """Its loss is what dropout leaves of each row."""

        def loss(self, params, batch, rng):
            left = drop(key_words(rng, 1), jnp.ones((1, 64)), 0.5)
            index = jax.nn.one_hot(jax.lax.axis_index(parallel.AXIS), 4)[:, None]
            return {"loss": jnp.sum(left) * params["w"], "weight": jnp.ones(()), "each": left * index}

    step = make_train_step(Spy(), optax.sgd(0.0), 0)
    state = initial_state({"w": jnp.ones(())}, optax.sgd(0.0))
    run = train_on_devices(step)
    drawn = []
    for _ in range(2):
        state, metrics = run(state, {"x": np.zeros((4, 1))})
        drawn += np.asarray(metrics["each"]).tolist()
    assert len(set(map(tuple, drawn))) == 8


@pytest.mark.parametrize("poison", [np.nan, np.inf, 1e38])
def test_an_update_that_is_not_finite_is_skipped(poison):
    class Line:
        """Its loss is a row's number times the parameter."""

        def loss(self, params, batch, rng):
            return {"loss": jnp.sum(batch["x"] * params["w"]), "weight": jnp.ones(())}

    optimizer = optax.sgd(0.5, momentum=0.9)
    run = train_on_devices(make_train_step(Line(), optimizer, 0, average_decay=0.5))
    good, bad = np.ones((4, 1), np.float32), np.ones((4, 1), np.float32)
    bad[2] = poison  # 1e38 is finite, but its square, in the gradient's norm, is not
    states = []
    for batches in ([good, bad, good], [good, good]):
        state = initial_state({"w": jnp.ones(())}, optimizer, averaged=True)
        for x in batches:
            state, metrics = run(state, {"x": x})
            skipped = x is bad
            assert metrics["skipped"] == skipped and metrics["weight"] == (0 if skipped else 4)
        states.append(jax.device_get(state))
    assert states[0].step == 3 and states[1].step == 2
    # The average's decay depends on the step at first, so that it may differ.
    assert states[0].params == states[1].params and np.isfinite(states[0].average["w"])
    jax.tree.map(np.testing.assert_array_equal, states[0].optimizer_state, states[1].optimizer_state)


def test_evaluation_sums_are_those_of_one_device():
    model = tiny_config(dropout=0.5, num_layers=1).build(VOCAB)
    params = random_params(model)
    step = make_evaluation_step(TranslationObjective(model, 0.1))
    batch = {name: rows.reshape(4, -1, *rows.shape[1:]) for name, rows in BATCH.items()}
    found, _ = evaluate_on_devices(step)((params, ()), batch)
    expected = TranslationObjective(model).loss(params, BATCH, None)
    assert float(found["nll"]) == pytest.approx(float(expected["nll"]), rel=1e-5)
    assert float(found["loss"]) == pytest.approx(float(expected["nll"]), rel=1e-5)


def test_the_average_forgets_as_fast_as_it_says():
    model = tiny_config(num_layers=1).build(VOCAB)
    optimizer = optax.sgd(0.5)
    step = train_on_devices(
        make_train_step(TranslationObjective(model), optimizer, 0, average_decay=0.3), devices=jax.devices()[:1]
    )
    params = random_params(model)
    state, expected = initial_state(params, optimizer, averaged=True), params
    batch = {name: rows[None] for name, rows in BATCH.items()}
    for number in range(5):
        state, _ = step(state, batch)
        decay = min(0.3, (1 + number) / (10 + number))
        expected = jax.tree.map(lambda old, new, decay=decay: decay * old + (1 - decay) * new, expected, state.params)
    jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, atol=1e-6), state.average, expected)
    assert state.best_params is state.average


def test_consistency_draws_two_passes_together():
    model = tiny_config(num_layers=1, dropout=0.3).build(VOCAB)
    params, key = random_params(model), jax.random.key(3)
    batch = make_batch(ROWS, 8, 10)
    plain, twice = (TranslationObjective(model, 0.1, weight).loss(params, batch, key) for weight in (0.0, 5.0))
    assert twice["weight"] == plain["weight"] and twice["loss"] > plain["loss"]
    still = TranslationObjective(tiny_config(num_layers=1).build(VOCAB), 0.1, 5.0).loss(params, batch, key)
    expected = TranslationObjective(model, 0.1).loss(params, batch, None)
    assert float(still["nll"]) == pytest.approx(float(expected["nll"]), rel=1e-5)


def test_guided_alignment_is_the_attentions_logarithm_and_draws_it_to_the_links():
    """Against the maps of a whole pass; without dropout both passes are the same."""
    model = tiny_config(num_layers=3).build(VOCAB)
    params = random_params(model)
    links = np.where(np.arange(BATCH["target_tokens"].shape[1]) % 3 > 0, BATCH["source_tokens"].shape[1] // 2, -1)
    links = np.where(BATCH["target_segments"] > 0, links[None], -1).astype(np.int32)
    batch, key = BATCH | {"target_links": links}, jax.random.key(0)
    guided, plain = TranslationObjective(model, 0.1, guided_alignment=0.5), TranslationObjective(model, 0.1)
    sums, without = guided.loss(params, batch, key), plain.loss(params, BATCH, key)
    attention = np.asarray(maps_of(model, params, BATCH)["decoder_layers/cross_attention"][1]).mean(axis=1)
    rows, places = np.nonzero(links >= 0)
    expected = -np.log(attention[rows, places, links[rows, places]] + 1e-9).sum()
    assert float(sums["alignment"]) == pytest.approx(expected, rel=1e-4)
    assert float(sums["loss"]) == pytest.approx(float(without["loss"]) + 0.5 * expected, rel=1e-5)
    # Twice over with R-Drop; none in evaluation; and a step down its gradient looks at the links more.
    twice = TranslationObjective(model, 0.1, 5.0, 0.5).loss(params, batch, key)
    assert float(twice["alignment"]) == pytest.approx(expected, rel=1e-4)
    assert "alignment" not in guided.loss(params, BATCH, None)
    gradient = jax.grad(lambda params: guided.loss(params, batch, key)["alignment"])(params)
    nearer = jax.tree.map(lambda value, slope: value - 1e-3 * slope, params, gradient)
    assert float(guided.loss(nearer, batch, key)["alignment"]) < expected
