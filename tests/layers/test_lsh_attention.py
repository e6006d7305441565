"""Attention by hashing is what its definition says, and full attention where one chunk holds all."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mt.layers.chunked_attention import Slots
from mt.layers.chunks import Window
from mt.layers.hashing import bucket_factors, hash_vectors, random_rotations
from mt.layers.local_attention import LocalSelfAttention
from mt.layers.lsh_attention import LshSelfAttention, ranked, sorted_order
from mt.layers.relative_attention import rotate

BATCH, HEADS, DIM, LENGTH = 2, 2, 8, 22
SEGMENTS = np.array([[1] * 22, [1] * 9 + [2] * 8 + [0] * 5], np.int32)
RANDOM = np.random.default_rng(0)
INPUTS = jnp.asarray(RANDOM.normal(0, 1, (BATCH, LENGTH, DIM)).astype(np.float32))


def _lsh(window, rounds=2, buckets=(4,), causal=True, inputs=INPUTS, **changes):
    module = LshSelfAttention(HEADS, DIM, window, causal, buckets=buckets, **changes)
    rotations = random_rotations(jax.random.key(5), HEADS, DIM // HEADS, rounds, buckets)
    arguments = inputs, jnp.asarray(SEGMENTS[:, : inputs.shape[1]]), True, rotations
    params = module.init(jax.random.key(1), *arguments)["params"]
    return module, params, rotations


def _projected(params):
    kernel = params["projections"]["kernel"]  # [model_dim, parts, model_dim]
    projected = np.einsum("bld,dpe->pble", INPUTS, kernel).reshape(kernel.shape[1], BATCH, LENGTH, HEADS, -1)
    return np.swapaxes(projected, 2, 3)  # [parts, batch, heads, length, head_dim]


def _by_definition(params, seen, query, keys, values, others_first):
    """Each position by itself: a softmax over those that it sees, as often as it does, itself only if there is no
    other."""
    found = np.zeros_like(values)
    for b, h, i in itertools.product(range(BATCH), range(HEADS), range(LENGTH)):
        others = [j for j in range(LENGTH) if seen[b, h, i, j] and not (others_first and i == j)] or [i]
        scores = np.array([query[b, h, i] @ keys[b, h, j] for j in others])
        weights = np.exp(scores - scores.max()) * np.array([max(seen[b, h, i, j], 1) for j in others])
        found[b, h, i] = weights @ values[b, h, others] / weights.sum()
    merged = np.swapaxes(found, 1, 2).reshape(BATCH, LENGTH, -1)
    return merged @ params["output"]["kernel"]


def _unit(query):
    return query / np.linalg.norm(query, axis=-1, keepdims=True)


def _seen_by_rank(query, rotations, window, causal, buckets):
    """How many rounds have each position see each other: by where they are once sorted (section 2, the definition of
    batched LSH attention)."""
    hashed = np.asarray(hash_vectors(jnp.asarray(query), rotations, buckets))
    rounds, whole = hashed.shape[2], -(-LENGTH // window.length) * window.length
    chunks = whole // window.length
    seen = np.zeros((BATCH, HEADS, LENGTH, LENGTH), int)
    for b, h in itertools.product(range(BATCH), range(HEADS)):
        chunk = np.zeros((rounds, LENGTH), int)
        for r in range(rounds):
            order = sorted(range(LENGTH), key=lambda i: (SEGMENTS[b, i] == 0, SEGMENTS[b, i], hashed[b, h, r, i], i))
            for rank, i in enumerate(order):
                chunk[r, i] = rank // window.length + r * chunks * window.circular
        for r, i, j in itertools.product(range(rounds), range(LENGTH), range(LENGTH)):
            if SEGMENTS[b, i] != SEGMENTS[b, j] or (causal and j > i):
                continue
            for offset in range(-window.before, window.after + 1):
                if window.circular:
                    seen[b, h, i, j] += sum((chunk[r, i] + offset) % (rounds * chunks) == chunk[:, j])
                else:
                    seen[b, h, i, j] |= chunk[r, i] + offset == chunk[r, j]
    return seen


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize(
    ("window", "rounds", "buckets"),
    [
        (Window(4, 1, 0), 1, (4,)),
        (Window(4, 1, 0), 3, (4,)),
        (Window(4, 1, 1), 2, (6,)),
        (Window(5, 0, 2), 2, (2, 4)),
        (Window(4, 1, 0, circular=True), 3, (4,)),
        (Window(6, 1, 1, circular=True), 2, (2, 2, 2)),
    ],
)
def test_chunks_of_what_is_sorted_are_the_definition(window, rounds, buckets, causal):
    module, params, rotations = _lsh(window, rounds, buckets, causal)
    found, _ = module.apply({"params": params}, INPUTS, SEGMENTS, True, rotations)
    query, values = _projected(params)
    seen = _seen_by_rank(query, rotations, window, causal, buckets)
    expected = _by_definition(params, seen, query, _unit(query), values, others_first=True)
    np.testing.assert_allclose(np.asarray(found)[SEGMENTS > 0], expected[SEGMENTS > 0], atol=5e-5)


@pytest.mark.parametrize("causal", [True, False])
def test_one_chunk_is_full_attention_with_shared_queries_and_keys(causal):
    module, params, rotations = _lsh(Window(LENGTH, 1, 1), 2, (2,), causal)
    found, _ = module.apply({"params": params}, INPUTS, SEGMENTS, True, rotations)
    query, values = _projected(params)
    same = SEGMENTS[:, None, :, None] == SEGMENTS[:, None, None, :]
    seen = np.broadcast_to(same & (np.tri(LENGTH, dtype=bool) if causal else True), (BATCH, HEADS, LENGTH, LENGTH))
    expected = _by_definition(params, seen, query, _unit(query), values, others_first=True)
    np.testing.assert_allclose(np.asarray(found)[SEGMENTS > 0], expected[SEGMENTS > 0], atol=5e-5)


def test_buckets_that_fit_their_chunks_are_seen_whole():
    """Where each bucket is no longer than a chunk, a position sees all of its bucket."""
    module, params, rotations = _lsh(Window(11, 1, 1), 1, (16,), causal=False)
    query, _ = _projected(params)
    hashed = np.asarray(hash_vectors(jnp.asarray(query), rotations, (16,)))[:, :, 0]
    same = hashed[:, :, :, None] == hashed[:, :, None, :]
    same &= SEGMENTS[:, None, :, None] == SEGMENTS[:, None, None, :]
    assert same.sum(-1).max() <= 11
    seen = _seen_by_rank(query, rotations, Window(11, 1, 1), False, (16,))
    assert (seen[same] > 0).all() and same.any()


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("window", [Window(4, 1, 0), Window(5, 2, 1), Window(6, 1, 1, circular=True), Window(30, 1, 1)])
def test_local_attention_is_its_definition(window, causal):
    module = LocalSelfAttention(HEADS, DIM, window, causal)
    params = module.init(jax.random.key(1), INPUTS, SEGMENTS, True)["params"]
    found, _ = module.apply({"params": params}, INPUTS, SEGMENTS, True)
    query, keys, values = _projected(params)
    chunk = np.arange(LENGTH) // window.length
    chunks = -(-LENGTH // window.length)
    offsets = range(-window.before, window.after + 1)
    seen = np.zeros((LENGTH, LENGTH), int)
    for offset in offsets if chunks > 1 else [0]:
        target = chunk + offset
        seen += (target % chunks if window.circular else target)[:, None] == chunk[None, :]
    if causal:
        seen *= np.tri(LENGTH, dtype=int)
    seen = seen * (SEGMENTS[:, None, :, None] == SEGMENTS[:, None, None, :])
    seen = np.broadcast_to(seen, (BATCH, HEADS, LENGTH, LENGTH))
    expected = _by_definition(params, seen, query / np.sqrt(DIM / HEADS), keys, values, others_first=False)
    np.testing.assert_allclose(np.asarray(found)[SEGMENTS > 0], expected[SEGMENTS > 0], atol=5e-5)


def _kinds(window):
    lsh, params, rotations = _lsh(window, 3, (4,))
    local = LocalSelfAttention(HEADS, DIM, window, True)
    of_local = local.init(jax.random.key(1), INPUTS, SEGMENTS, True)["params"]
    rotary = LocalSelfAttention(HEADS, DIM, window, True, rotary=True)
    return {"lsh": (lsh, params, rotations), "local": (local, of_local, None), "rotary": (rotary, of_local, None)}


@pytest.mark.parametrize("kind", ["lsh", "local"])
def test_no_gradient_comes_from_what_stands_after_or_in_another_segment(kind):
    module, params, rotations = _kinds(Window(4, 1, 0))[kind]

    def read(inputs):
        return module.apply({"params": params}, inputs, SEGMENTS, True, rotations)[0].sum(-1)

    moved = np.abs(jax.jit(jax.jacrev(read))(INPUTS)).sum(-1)  # [batch, length, batch, length]
    for row in range(BATCH):
        may = np.tri(LENGTH, dtype=bool) & (SEGMENTS[row][:, None] == SEGMENTS[row][None, :])
        assert (moved[row, :, row][~may] == 0).all()
        assert (moved[row, :, row] > 0).sum() > 2 * LENGTH  # something is seen beside itself


@pytest.mark.parametrize("kind", ["lsh", "local"])
def test_other_tokens_in_another_segment_change_nothing(kind):
    module, params, rotations = _kinds(Window(4, 1, 0))[kind]
    apply = jax.jit(lambda inputs: module.apply({"params": params}, inputs, SEGMENTS, True, rotations)[0])
    first = SEGMENTS == 1
    other = jnp.where(
        jnp.asarray(first)[..., None], INPUTS, jnp.asarray(RANDOM.normal(0, 1, INPUTS.shape), jnp.float32)
    )
    np.testing.assert_array_equal(np.asarray(apply(INPUTS))[first], np.asarray(apply(other))[first])


def test_local_attention_turns_what_it_multiplies_by_where_it_stands():
    """With a chunk for all, it is rotary attention."""
    local, params, _ = _kinds(Window(LENGTH, 1, 0))["rotary"]
    found, _ = local.apply({"params": params}, INPUTS, SEGMENTS, True)
    query, keys, values = _projected(params)
    positions = jnp.arange(LENGTH)[None]
    query, keys = (np.swapaxes(rotate(np.swapaxes(each, 1, 2), positions), 1, 2) for each in (query, keys))
    seen = np.tri(LENGTH, dtype=int) * (SEGMENTS[:, None, :, None] == SEGMENTS[:, None, None, :])
    seen = np.broadcast_to(seen, (BATCH, HEADS, LENGTH, LENGTH))
    expected = _by_definition(params, seen, query / np.sqrt(DIM / HEADS), keys, values, others_first=False)
    np.testing.assert_allclose(np.asarray(found)[SEGMENTS > 0], expected[SEGMENTS > 0], atol=5e-5)


@pytest.mark.parametrize("kind", ["lsh", "local", "rotary"])
@pytest.mark.parametrize("window", [Window(4, 1, 0), Window(3, 2, 0), Window(30, 1, 0)])
def test_each_step_is_the_last_position_of_one_pass_over_what_is_there(kind, window):
    """With another hypothesis beside it, which goes astray and must not be seen."""
    module, params, rotations = _kinds(window)[kind]
    beam, prompt, steps = 2, 5, 9
    inputs = INPUTS[:1]
    one_pass = jax.jit(lambda inputs, segments: module.apply({"params": params}, inputs, segments, True, rotations)[0])
    _, past = module.apply({"params": params}, inputs[:, :prompt], jnp.ones((1, prompt), int), rotations, method="read")
    past = past.with_room(beam * steps)
    positions = jnp.concatenate([jnp.arange(prompt), prompt + jnp.repeat(jnp.arange(steps), beam)])[None]
    step = jax.jit(lambda *given: module.apply({"params": params}, *given, rotations, method="step"))
    for number in range(steps):
        at = prompt + number
        astray = jnp.asarray(RANDOM.normal(0, 1, (1, 1, DIM)), jnp.float32)
        slot = jnp.arange(prompt + beam * steps) - prompt
        mine = (slot < 0) | ((slot % beam == 0) & (slot <= beam * number))
        descends = jnp.stack([mine, mine.at[at + number].set(False).at[at + number + 1].set(True)])[None]
        slots = Slots(jnp.asarray(at + number), descends, jnp.array([[at, at]]), positions)
        found, past = step(jnp.concatenate([inputs[:, at : at + 1], astray], axis=1), past, slots)
        whole = one_pass(inputs, (jnp.arange(LENGTH) <= at)[None].astype(int))
        np.testing.assert_allclose(found[0, 0], whole[0, at], atol=1e-5)


@pytest.mark.parametrize("kind", ["lsh", "local"])
@pytest.mark.parametrize("window", [Window(4, 1, 0), Window(30, 1, 0)])
def test_weights_are_those_that_the_values_are_averaged_by(kind, window):
    module, params, rotations = _kinds(window)[kind]
    found, _ = module.apply({"params": params}, INPUTS, SEGMENTS, True, rotations)
    weights = np.asarray(module.apply({"params": params}, INPUTS, SEGMENTS, rotations, method="weights"))
    mixed = np.swapaxes(weights @ _projected(params)[-1], 1, 2).reshape(BATCH, LENGTH, -1)
    there = SEGMENTS > 0
    np.testing.assert_allclose((mixed @ params["output"]["kernel"])[there], np.asarray(found)[there], atol=2e-5)
    np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-5)


def test_vectors_in_the_same_direction_share_a_bucket_and_opposite_ones_do_not():
    rotations = random_rotations(jax.random.key(0), 1, 16, 4, (8, 4))
    one = jax.random.normal(jax.random.key(1), (1, 1, 50, 16))
    hashed, scaled, opposite = (hash_vectors(each, rotations, (8, 4)) for each in (one, 3 * one, -one))
    np.testing.assert_array_equal(hashed, scaled)
    assert (hashed != opposite).all() and hashed.min() >= 0 and hashed.max() < 32
    assert len(np.unique(hashed)) > 16


def test_what_is_found_bit_by_bit_is_what_sorting_finds():
    most = np.iinfo(np.int32).max
    values = np.random.default_rng(0).integers(0, 2**9, (3, 2, 50)).astype(np.int32)
    values[0, :, ::2] = most  # as what is not seen
    ranks = np.broadcast_to(np.arange(-1, 51), (3, 2, 52))
    expected = np.concatenate([np.zeros((3, 2, 1)), np.sort(values, axis=-1), np.full((3, 2, 1), most)], axis=-1)
    found = ranked(jnp.asarray(values), jnp.asarray(ranks), bits=9)
    assert np.array_equal(found, np.minimum(expected, 2**9 - 1))


def test_positions_are_sorted_by_segment_then_bucket_then_as_they_stand():
    buckets = jnp.array([[[[1, 0, 1, 0, 0, 1]]]])
    segments = jnp.array([[8, 8, 8, 0, 2**30, 2**30]])  # of documents that are numbered through
    np.testing.assert_array_equal(sorted_order(buckets, segments, 2)[0, 0, 0], [1, 0, 2, 4, 5, 3])


@pytest.mark.parametrize(
    ("length", "chunk", "factors"), [(64, 64, (2,)), (1024, 64, (32,)), (65_536, 64, (32, 64)), (10, 64, (2,))]
)
def test_there_are_two_buckets_to_a_chunk(length, chunk, factors):
    assert bucket_factors(length, chunk) == factors


def test_dropout_leaves_out_weights_and_draws_others_with_another_key():
    module, params, rotations = _lsh(Window(4, 1, 0), dropout=0.5)

    def found(seed):
        rngs = {"dropout": jax.random.key(seed)}
        return module.apply({"params": params}, INPUTS, SEGMENTS, False, rotations, rngs=rngs)[0]

    np.testing.assert_array_equal(found(0), found(0))
    assert not np.allclose(found(0), found(1), atol=1e-3)
