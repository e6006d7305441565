"""An ensemble's probabilities are the means of its members', token by token, in searching and in scoring."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mt.decoding.batches import RowWorkers
from mt.decoding.beam_search import SearchConfig, beam_search
from mt.decoding.continuations import EOS
from mt.decoding.ensemble import Ensemble
from mt.decoding.scoring import score_pairs
from tests.conftest import VOCAB, random_params, tiny_config
from tests.decoding.test_beam_search import TOY_VOCAB, Toy, log_probs_after


def test_its_search_is_exhaustive_search_by_mean_probabilities():
    seeds, limit = (5, 9, 2), 3
    every = {}
    for length in range(limit + 1):
        for words in itertools.product(range(3, TOY_VOCAB), repeat=length):
            steps = enumerate((*words, EOS))
            every[words] = sum(
                math.log(np.mean([math.exp(log_probs_after(seed, 1, words[:n])[token]) for seed in seeds]))
                for n, token in steps
            )
    ranked = sorted(every, key=lambda words: -every[words])[:5]
    config = SearchConfig(beam_size=100, length_penalty=0.0, min_length=0)
    model = Ensemble((Toy(),) * 3)
    found = jax.jit(lambda source: beam_search(model, seeds, source, jnp.array([limit]), config, limit, 5))(
        jnp.array([[1]])
    )
    assert [tuple(t[:n].tolist()) for t, n in zip(found.tokens[0], found.lengths[0].tolist())][:5] == ranked
    np.testing.assert_allclose(found.log_probs[0, :5], [every[words] for words in ranked], atol=1e-4)


def test_it_scores_what_it_finds():
    models = tuple(tiny_config(num_layers=layers).build(VOCAB) for layers in (1, 2))
    ensemble, params = Ensemble(models), tuple(random_params(model, seed) for seed, model in enumerate(models))
    source = jnp.array([[7, 9, 4, EOS]])
    config = SearchConfig(beam_size=2)
    found = beam_search(ensemble, params, source, jnp.array([6]), config, 6, 2)
    targets = [[*tokens[:n], EOS] for tokens, n in zip(found.tokens[0].tolist(), found.lengths[0].tolist())]
    scored = score_pairs(RowWorkers(params), ensemble, 1, [([7, 9, 4, EOS], target) for target in targets], (4, 8))
    assert [math.fsum(each) for each in scored] == pytest.approx(found.log_probs[0].tolist(), abs=1e-4)
