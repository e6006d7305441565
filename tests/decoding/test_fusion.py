"""Shallow fusion adds a language model's weighted log-probabilities to the translator's, in search and in scoring."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mt.decoding.batches import RowWorkers
from mt.decoding.beam_search import SearchConfig, beam_search
from mt.decoding.continuations import EOS
from mt.decoding.fusion import Fused
from mt.decoding.scoring import score_pairs
from mt.models.gpt import GptConfig
from tests.conftest import VOCAB, random_params, tiny_config
from tests.decoding.test_beam_search import TOY_VOCAB, Toy, log_probs_after


class _Text(Toy):
    """A toy that has no source."""

    def start(self, params, source, beam_size, max_length):
        return jnp.zeros((source.shape[0], beam_size), jnp.int32)


@pytest.mark.parametrize("weight", [0.0, 0.4])
def test_its_search_is_exhaustive_search_by_both_together(weight):
    limit, every = 3, {}
    for length in range(limit + 1):
        for words in itertools.product(range(3, TOY_VOCAB), repeat=length):
            steps = list(enumerate((*words, EOS)))
            every[words] = sum(
                log_probs_after(5, 1, words[:n])[token] + weight * log_probs_after(9, 0, words[:n])[token]
                for n, token in steps
            )
    ranked = sorted(every, key=lambda words: -every[words])[:5]
    config = SearchConfig(beam_size=100, length_penalty=0.0, min_length=0)
    model = Fused(Toy(), _Text(), weight)
    found = jax.jit(lambda source: beam_search(model, (5, 9), source, jnp.array([limit]), config, limit, 5))(
        jnp.array([[1]])
    )
    assert [tuple(t[:n].tolist()) for t, n in zip(found.tokens[0], found.lengths[0].tolist())][:5] == ranked
    np.testing.assert_allclose(found.log_probs[0, :5], [every[words] for words in ranked], atol=1e-4)


@pytest.mark.parametrize("coverage_penalty", [0.0, 0.3])
def test_it_scores_what_it_finds(coverage_penalty):
    translator = tiny_config().build(VOCAB)
    text = GptConfig(num_layers=1, model_dim=16, ff_dim=32, num_heads=2, max_positions=16).build(VOCAB)
    model = Fused(translator, text.as_language_model(), 0.5)
    params = random_params(translator), random_params(text, 1)
    source = jnp.array([[7, 9, 4, EOS]])
    config = SearchConfig(beam_size=2, coverage_penalty=coverage_penalty)
    found = jax.jit(lambda params: beam_search(model, params, source, jnp.array([6]), config, 6, 2))(params)
    targets = [[*tokens[:n], EOS] for tokens, n in zip(found.tokens[0].tolist(), found.lengths[0].tolist())]
    scored = score_pairs(RowWorkers(params), model, 1, [([7, 9, 4, EOS], target) for target in targets], (4, 8))
    assert [math.fsum(each) for each in scored] == pytest.approx(found.log_probs[0].tolist(), abs=1e-4)
