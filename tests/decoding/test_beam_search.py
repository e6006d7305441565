"""Beam search against brute force, on a model whose next token depends on all that went before."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mt.decoding.beam_search import EOS, SearchConfig, beam_search
from mt.errors import UserError
from tests.conftest import VOCAB, random_params, tiny_config

TOY_VOCAB = 7  # pad, bos, eos and four words


class Toy:
    """Logits are a fixed random function of the sentence and the whole prefix, which the cache holds as a number."""

    def start(self, params, source, beam_size, max_length):
        return jnp.broadcast_to(source[:, :1] * 31, (source.shape[0], beam_size)).astype(jnp.int32)

    def step(self, params, tokens, cache):
        cache = cache * TOY_VOCAB + tokens

        def draw(prefix):
            return 1.5 * jax.random.normal(jax.random.fold_in(jax.random.key(params), prefix), (TOY_VOCAB,))

        return jax.vmap(jax.vmap(draw))(cache), cache

    def reorder(self, cache, parents):
        return jnp.take_along_axis(cache, parents, axis=1)


_STEP = jax.jit(Toy().step)


def log_probs_after(seed, first, prefix):
    cache = jnp.array([[first * 31]])
    for token in (1, *prefix):
        logits, cache = _STEP(seed, jnp.array([[token]]), cache)
    return np.asarray(jax.nn.log_softmax(logits[0, 0]))


def every_hypothesis(seed, first, min_length, max_length):
    """All word sequences of these lengths, with the log-probability of each and its eos."""
    found, frontier = {}, {(): 0.0}
    for length in range(max_length + 1):
        following = {}
        for prefix, total in frontier.items():
            log_probs = log_probs_after(seed, first, prefix)
            if length >= min_length:
                found[prefix] = total + log_probs[EOS]
            following |= {(*prefix, word): total + log_probs[word] for word in range(3, TOY_VOCAB)}
        frontier = following
    return found


def search(seed, sources, limits, config, max_length, n_best=1):
    run = jax.jit(lambda source, limits: beam_search(Toy(), seed, source, limits, config, max_length, n_best))
    found = jax.device_get(run(jnp.array(sources)[:, None], jnp.array(limits)))
    return [
        [
            (tuple(tokens[:length].tolist()), float(score), float(log_prob))
            for tokens, length, score, log_prob in zip(*rows)
        ]
        for rows in zip(*found)
    ]


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.5])
@pytest.mark.parametrize("min_length", [0, 2])
def test_a_wide_beam_is_exhaustive_search(alpha, min_length):
    config = SearchConfig(beam_size=90, length_penalty=alpha, min_length=min_length)
    limits = [3, 2, 3]
    found = search(5, [1, 2, 3], limits, config, 3, n_best=5)
    for first, limit, hypotheses in zip((1, 2, 3), limits, found):
        every = every_hypothesis(5, first, min_length, limit)
        ranked = sorted(every, key=lambda words: -every[words] / ((5 + len(words) + 1) / 6) ** alpha)
        assert [words for words, _, _ in hypotheses[:5]] == ranked[:5]
        for words, score, log_prob in hypotheses[:5]:
            assert log_prob == pytest.approx(every[words], abs=1e-4)
            assert score == pytest.approx(every[words] / ((5 + len(words) + 1) / 6) ** alpha, abs=1e-4)


_ANY_MODEL = jax.jit(
    lambda seed, source, limits: beam_search(
        Toy(), seed, source[:, None], limits, SearchConfig(beam_size=30, length_penalty=0.8), 2, 4
    )
)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**31 - 1), st.lists(st.tuples(st.integers(0, 50), st.integers(0, 2)), min_size=3, max_size=3))
def test_a_wide_beam_is_exhaustive_search_whatever_the_model_and_the_lengths(seed, rows):
    found = jax.device_get(_ANY_MODEL(seed, *jnp.array(rows).T))
    for row, (first, limit) in enumerate(rows):
        every = every_hypothesis(seed, first, min(1, limit), limit)
        ranked = sorted(every, key=lambda words: -every[words] / ((5 + len(words) + 1) / 6) ** 0.8)[:4]
        assert [tuple(t[:n].tolist()) for t, n in zip(found.tokens[row], found.lengths[row])][: len(ranked)] == ranked
        np.testing.assert_allclose(found.log_probs[row, : len(ranked)], [every[each] for each in ranked], atol=1e-4)


@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_a_beam_of_one_is_greedy_search(alpha):
    found = search(11, list(range(8)), [6] * 8, SearchConfig(beam_size=1, length_penalty=alpha), 6)
    for first, [(words, _, log_prob)] in enumerate(found):
        expected, total = (), 0.0
        while True:
            log_probs = log_probs_after(11, first, expected)
            allowed = list(range(3, TOY_VOCAB)) if len(expected) < 6 else []
            allowed += [EOS] if len(expected) >= 1 else []
            best = max(allowed, key=lambda token: log_probs[token])
            total += log_probs[best]
            if best == EOS:
                break
            expected = (*expected, best)
        assert words == expected
        assert log_prob == pytest.approx(total, abs=1e-4)


def test_a_narrow_beam_is_the_algorithm_step_by_step():
    """The same rules as the module says, written with lists and dictionaries."""
    beam, alpha, limit = 3, 0.6, 5
    found = search(2, list(range(6)), [limit] * 6, SearchConfig(beam_size=beam, length_penalty=alpha), limit, beam)
    for first, hypotheses in enumerate(found):
        live, finished = {(): 0.0}, {}
        for length in range(limit + 1):
            candidates = {}
            for prefix, total in live.items():
                log_probs = log_probs_after(2, first, prefix)
                words = range(3, TOY_VOCAB) if length < limit else ()
                candidates |= {(*prefix, word): total + log_probs[word] for word in words}
                if length >= 1:
                    candidates[*prefix, EOS] = total + log_probs[EOS]
            ranked = sorted(candidates, key=lambda words: -candidates[words])
            for words in ranked[:beam]:
                if words[-1] == EOS:
                    finished[words[:-1]] = candidates[words] / ((5 + len(words)) / 6) ** alpha
            live = {words: candidates[words] for words in ranked if words[-1] != EOS}
            live = dict(itertools.islice(live.items(), beam))
        best = sorted(finished, key=lambda words: -finished[words])[:beam]
        assert [words for words, _, _ in hypotheses] == best


@pytest.mark.parametrize("strength", [0.0, 0.7, 100.0])
def test_diverse_groups_are_the_algorithm_step_by_step(strength):
    """Each group of the beam searches as a beam does, with the tokens that groups before it have chosen made dearer."""
    groups, size, alpha, limit = 3, 2, 0.6, 4
    config = SearchConfig(6, alpha, diversity_groups=groups, diversity_strength=strength)
    found = search(2, list(range(5)), [limit] * 5, config, limit, 6)
    for first, hypotheses in enumerate(found):
        live, finished = [{(): 0.0} for _ in range(groups)], [{} for _ in range(groups)]
        for length in range(limit + 1):
            chosen = [0] * TOY_VOCAB
            for group in range(groups):
                candidates = {}
                for prefix, total in live[group].items():
                    log_probs = log_probs_after(2, first, prefix)
                    words = range(3, TOY_VOCAB) if length < limit else ()
                    candidates |= {(*prefix, word): total + log_probs[word] for word in words}
                    if length >= 1:
                        candidates[*prefix, EOS] = total + log_probs[EOS]
                dear = dict(candidates)
                ranked = sorted(dear, key=lambda words: -(dear[words] - strength * chosen[words[-1]]))
                for words in ranked[:size]:
                    if words[-1] == EOS:
                        finished[group][words[:-1]] = candidates[words] / ((5 + len(words)) / 6) ** alpha
                live[group] = {each: candidates[each] for each in [w for w in ranked if w[-1] != EOS][:size]}
                for words in live[group]:
                    chosen[words[-1]] += 1
        best = [sorted(group, key=lambda words: -group[words])[:size] for group in finished]
        for rank in range(size):
            of_rank = sorted((finished[g][best[g][rank]], best[g][rank]) for g in range(groups) if rank < len(best[g]))
            expected = [words for _, words in of_rank[::-1]]
            mine = [words for words, score, _ in hypotheses[rank * groups : (rank + 1) * groups] if score > -1e8]
            assert mine == expected


def test_groups_must_divide_the_beam():
    with pytest.raises(UserError, match="diversity_groups: 4 does not divide"):
        SearchConfig(beam_size=6, diversity_groups=4)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_blocked_ngrams_are_those_of_exhaustive_search_that_repeat_none(size):
    limit, alpha = 4, 0.6
    config = SearchConfig(beam_size=400, length_penalty=alpha, min_length=0, no_repeat_ngram=size)
    found = search(3, [1, 2], [limit, limit], config, limit, n_best=5)

    def repeats(words):
        ngrams = [words[start : start + size] for start in range(len(words) - size + 1)]
        return len(set(ngrams)) < len(ngrams)

    for first, hypotheses in zip((1, 2), found):
        every = every_hypothesis(3, first, 0, limit)
        allowed = [words for words in every if not repeats(words)]
        assert len(allowed) < len(every)
        ranked = sorted(allowed, key=lambda words: -every[words] / ((5 + len(words) + 1) / 6) ** alpha)
        assert [words for words, _, _ in hypotheses[:5]] == ranked[:5]
        assert hypotheses[0][2] == pytest.approx(every[ranked[0]], abs=1e-4)


def test_stops_as_soon_as_nothing_live_can_win():
    steps = []

    class Decided(Toy):
        """Ends at once for sure: any further step is one too many."""

        def step(self, params, tokens, cache):
            jax.debug.callback(lambda: steps.append(1))
            sure = jnp.full(TOY_VOCAB, -20.0).at[EOS].set(20.0)
            return jnp.broadcast_to(sure, (*tokens.shape, TOY_VOCAB)), cache

    config = SearchConfig(beam_size=2, min_length=0)
    jax.block_until_ready(beam_search(Decided(), 0, jnp.ones((2, 1), jnp.int32), jnp.array([5, 5]), config, 5))
    jax.effects_barrier()
    assert len(steps) == 1


def test_the_transformers_search_is_exhaustive_search_too():
    """With the real model and its cache, whose hypotheses never move: each is scored again by one forward pass."""
    model = tiny_config().build(TOY_VOCAB)
    params = random_params(model, spread=0.8)
    config = SearchConfig(beam_size=25, length_penalty=0.6, min_length=0)
    source = jnp.array([[3, 4, 2, 0], [5, 2, 0, 0]])
    found = jax.device_get(
        jax.jit(lambda p, s: beam_search(model, p, s, jnp.array([2, 2]), config, 2, 3))(params, source)
    )
    sequences = [words for length in range(3) for words in itertools.product(range(3, TOY_VOCAB), repeat=length)]
    apply = jax.jit(model.apply)
    for row in range(2):
        rows = len(sequences)
        targets = np.array([[*words, 2, *[0] * (2 - len(words))] for words in sequences])
        tokens = np.repeat(np.asarray(source[row : row + 1]), rows, axis=0)
        batch = {
            "source_tokens": tokens,
            "source_positions": np.tile(np.arange(4), (rows, 1)),
            "source_segments": (tokens > 0).astype(np.int32),
            "target_inputs": np.concatenate([np.ones((rows, 1), int), targets[:, :-1]], 1),
            "target_positions": np.tile(np.arange(3), (rows, 1)),
            "target_segments": (targets > 0).astype(np.int32),
        }
        log_probs = jax.nn.log_softmax(apply({"params": params}, batch))
        chosen = np.take_along_axis(np.asarray(log_probs), targets[:, :, None], -1)[..., 0]
        totals = (chosen * (targets > 0)).sum(1)
        scores = {
            words: total / ((5 + len(words) + 1) / 6) ** 0.6 for words, total in zip(sequences, totals, strict=True)
        }
        best = sorted(scores, key=lambda words: -scores[words])[:3]
        assert [tuple(t[:n]) for t, n in zip(found.tokens[row, :3], found.lengths[row, :3])] == best
        np.testing.assert_allclose(found.scores[row, :3], [scores[words] for words in best], atol=1e-4)


def test_a_sentence_depends_on_neither_its_batch_nor_its_padding():
    model = tiny_config().build(VOCAB)
    params = random_params(model)
    config = SearchConfig(beam_size=3)
    run = jax.jit(lambda s, n: beam_search(model, params, s, n, config, 8, 3))
    short, long = [5, 6, 2], [7, 8, 9, 10, 11, 12, 2]
    together = run(jnp.array([[*short, 0, 0, 0, 0, 0], [*long, 0]]), jnp.array([4, 8]))
    alone = run(jnp.array([short]), jnp.array([4]))
    np.testing.assert_array_equal(together.tokens[0], alone.tokens[0])
    np.testing.assert_allclose(together.scores[0], alone.scores[0], atol=1e-5)
