"""Samples come as often as the model says, and each row's are its own."""

import collections
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mt.decoding.automata import Alphabet
from mt.decoding.beam_search import SearchConfig
from mt.decoding.continuations import EOS
from mt.decoding.rules import stack
from mt.decoding.sampling import SamplingConfig, likely, sample
from mt.decoding.selection import NEVER
from mt.errors import UserError
from tests.decoding.test_beam_search import TOY_VOCAB, Toy, log_probs_after

LIMIT, SAMPLES, ROWS = 3, 500, 40


def draw(sampling, rules=None, sources=(1,) * ROWS, seeds=range(ROWS)):
    config = SearchConfig(beam_size=SAMPLES, min_length=1)
    run = jax.jit(
        lambda source, seeds: sample(
            Toy(), 5, source[:, None], jnp.full(len(source), LIMIT), seeds, config, sampling, LIMIT, rules=rules
        )
    )
    return jax.device_get(run(jnp.array(sources), jnp.array(list(seeds), jnp.uint32)))


def sequences(found, rows=slice(None)):
    rows = zip(found.tokens[rows].reshape(-1, LIMIT).tolist(), found.lengths[rows].ravel().tolist())
    return [tuple(tokens[:length]) for tokens, length in rows]


def expected(sampling) -> dict[tuple[int, ...], float]:
    """Of each sequence, its probability by the definition, and the model's own log-probability."""
    found, frontier = {}, {(): 0.0}
    for length in range(LIMIT + 1):
        following = {}
        for prefix, log_prob in frontier.items():
            own = log_probs_after(5, 1, prefix)
            allowed = [*(range(3, TOY_VOCAB) if length < LIMIT else ()), *([EOS] if length else ())]
            weights = {token: math.exp(own[token] / sampling.temperature) for token in allowed}
            ranked = sorted(weights, key=lambda token: -weights[token])[: sampling.top_k or None]
            total, kept = sum(weights[token] for token in ranked), []
            for token in ranked:
                if sum(weights[each] for each in kept) / total < sampling.top_p:
                    kept.append(token)
            total = sum(weights[token] for token in kept)
            for token in kept:
                so_far = log_prob + math.log(weights[token] / total)
                if token == EOS:
                    found[prefix] = math.exp(so_far)
                else:
                    following[*prefix, token] = so_far
        frontier = following
    return found


@pytest.mark.parametrize(
    "sampling",
    [
        SamplingConfig(),
        SamplingConfig(temperature=0.5),
        SamplingConfig(top_k=2),
        SamplingConfig(top_p=0.7),
        SamplingConfig(1.5, 3, 0.8),
    ],
    ids=str,
)
def test_samples_come_as_often_as_the_definition_says(sampling):
    found = draw(sampling)
    drawn, probabilities = collections.Counter(sequences(found)), expected(sampling)
    assert math.isclose(sum(probabilities.values()), 1, abs_tol=1e-6)
    assert drawn.keys() <= probabilities.keys()
    for words, probability in probabilities.items():
        deviation = math.sqrt(probability * (1 - probability) / (ROWS * SAMPLES))
        assert abs(drawn[words] / (ROWS * SAMPLES) - probability) < 5 * deviation + 1e-9, words


def test_log_probabilities_are_the_models_and_the_best_score_is_first():
    found = draw(SamplingConfig(temperature=2.0))
    assert (np.diff(found.scores, axis=1) <= 0).all()
    for words, log_prob in list(zip(sequences(found), found.log_probs.ravel().tolist()))[:50]:
        own = sum(log_probs_after(5, 1, words[:place])[token] for place, token in enumerate((*words, EOS)))
        assert log_prob == pytest.approx(own, abs=1e-4)


def test_a_rows_samples_are_its_own_and_differ_by_seed():
    whole = draw(SamplingConfig(), sources=(1, 2, 1, 3), seeds=(7, 7, 8, 9))
    alone = draw(SamplingConfig(), sources=(3, 1), seeds=(9, 7))
    assert sequences(alone, 0) == sequences(whole, 3) and sequences(alone, 1) == sequences(whole, 0)
    assert sequences(whole, 0) != sequences(whole, 2)


def test_samples_keep_to_rules():
    alphabet = Alphabet(["<pad>", "<s>", "</s>", "▁a", "b", "▁ab", "c"])
    automata = [alphabet.begins("a"), alphabet.phrase(["ab"], True)]
    found = draw(SamplingConfig(), stack([automata] * ROWS, (2, 16, 16), TOY_VOCAB))
    drawn = collections.Counter(sequences(found))
    assert (found.scores > NEVER).all() and len(drawn) > 10
    for words in drawn:
        text = "".join(" a/b/ ab/c".split("/")[token - 3] for token in words) + " "
        assert text.startswith(" a") and " ab " in text


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.floats(-8, 8), min_size=4, max_size=40),
    st.integers(0, 50),
    st.floats(0.05, 1.0),
    st.floats(0.1, 5.0),
)
def test_the_likeliest_are_kept(logits, top_k, top_p, temperature):
    kept = np.asarray(likely(jnp.array(logits), SamplingConfig(temperature, top_k, top_p)))
    order = np.argsort(-np.array(logits, np.float32), kind="stable")
    assert kept[order[0]] > NEVER  # the best is always there, and no likelier one is left out
    ranked = kept[order] > NEVER
    assert (ranked[:-1] | ~ranked[1:]).all()


@pytest.mark.parametrize("wrong", [dict(temperature=0.0), dict(top_k=-1), dict(top_p=0.0), dict(top_p=1.5)])
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(UserError, match=next(iter(wrong))):
        SamplingConfig(**wrong)
