"""The coverage penalty is that of the attention of the whole translation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mt.decoding.alignment import cross_attention
from mt.decoding.beam_search import EOS, SearchConfig, beam_search, length_penalty
from mt.decoding.coverage import log_coverage
from mt.decoding.ensemble import Ensemble
from mt.decoding.scoring import forced_batch
from tests.conftest import random_params

SOURCES = [[7, 9, 4, EOS], [30, 5, EOS], [11, 12, 13, 14, 15, EOS]]
BETA, LIMIT, LENGTH = 3.0, 3, 8


def _found(model, params, limit=LIMIT, **changes):
    source = np.zeros((len(SOURCES), LENGTH), np.int32)
    for row, ids in enumerate(SOURCES):
        source[row, : len(ids)] = ids
    config = SearchConfig(**({"beam_size": 6, "length_penalty": 0.7} | changes))

    @jax.jit
    def run(params):
        limits = jnp.full(len(SOURCES), limit)
        return beam_search(model, params, jnp.asarray(source), limits, config, limit, config.beam_size)

    return jax.device_get(run(params)), config


def _expected(model, params, found, config):
    """Each hypothesis' score from one pass over the whole of it."""
    read = jax.jit(lambda params, *rows: cross_attention(model)(params, forced_batch(*rows)))
    beam = found.tokens.shape[1]
    scores = np.zeros(found.scores.shape)
    for row, ids in enumerate(SOURCES):
        source, inputs, targets = np.zeros((beam, LENGTH), np.int32), *np.zeros((2, beam, LIMIT + 1), np.int32)
        for place in range(beam):
            answer = [*found.tokens[row, place, : found.lengths[row, place]].tolist(), EOS]
            source[place, : len(ids)], targets[place, : len(answer)] = ids, answer
            inputs[place, : len(answer)] = [1, *answer[:-1]]
        attention = np.asarray(read(params, source, inputs, targets))
        for place in range(beam):
            length = found.lengths[row, place] + 1
            taken_off = BETA * log_coverage(attention[place, :length, : len(ids)])
            scores[row, place] = found.log_probs[row, place] / length_penalty(length, config) + taken_off
    return scores


@pytest.mark.parametrize("members", [1, 2])
def test_the_searchs_scores_are_those_of_whole_translations(tiny, members):
    model, params = tiny
    if members == 2:
        model, params = Ensemble((model, model)), (params, random_params(tiny[0], seed=5))
    found, config = _found(model, params, coverage_penalty=BETA)
    np.testing.assert_allclose(found.scores, _expected(model, params, found, config), atol=2e-4)
    assert (np.diff(found.scores, axis=1) <= 0).all()
    plain, _ = _found(model, params)
    assert not np.array_equal(plain.tokens, found.tokens)


def test_a_wide_beam_finds_the_best_of_all(tiny):
    """All of two tokens and the end, of which the beam holds each that does not end sooner."""
    model, params = tiny
    options = dict(beam_size=1000, min_length=2, limit=2)
    every, config = _found(model, params, **options)
    expected = _expected(model, params, every, config)
    found, _ = _found(model, params, **options, coverage_penalty=BETA)
    for row in range(len(SOURCES)):
        best = dict(zip(map(tuple, every.tokens[row].tolist()), expected[row]))
        again = dict(zip(map(tuple, found.tokens[row].tolist()), found.scores[row]))
        ranked = sorted(best, key=best.get, reverse=True)
        assert len(ranked) > 800 and ranked[:5] == list(again)[:5] != list(best)[:5]


def test_what_is_covered_costs_nothing():
    attention = np.array([[0.5, 0.5, 0.0], [0.7, 0.3, 0.0], [0.0, 0.1, 0.9]])
    assert log_coverage(attention) == pytest.approx(np.log(0.9) + np.log(0.9))
    assert log_coverage(np.ones((2, 3))) == 0.0


def test_given_translations_score_as_in_the_search(tiny_translator):
    sources = ["Go.", "I have a cat."]
    plain, covered = (tiny_translator.score(sources, ["Va !", "Ici."], coverage_penalty=beta) for beta in (0.0, 0.5))
    assert all(one.log_prob == other.log_prob and one.score > other.score for one, other in zip(plain, covered))
