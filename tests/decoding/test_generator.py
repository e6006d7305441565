"""A language model goes on with text as its own probabilities say, and finds it as likely as it is."""

import math
import unicodedata

import numpy as np
import pytest

from mt.data.tokenizer import BOS, EOS
from mt.decoding.beam_search import SearchConfig
from mt.decoding.generator import Generator
from mt.decoding.sampling import SamplingConfig
from mt.errors import UserError
from mt.models.gpt import GptConfig
from tests.conftest import random_params

TEXTS = ["Il", "Je ne", "", "Tom est un"]


@pytest.fixture(scope="module")
def generator(tokenizers):
    """A model that knows nothing; what its source sees of itself makes no difference to text."""
    config = GptConfig(num_layers=2, model_dim=16, ff_dim=32, num_heads=2, max_positions=32, source_attention="full")
    model = config.build(len(tokenizers.target))
    search = SearchConfig(beam_size=3, length_penalty=0.0)
    return Generator(model.as_language_model(), random_params(model), tokenizers, search, 24)


def _step_by_step(generator, ids, count):
    """The greedy continuation of tokens and its log-probability, each token by a whole pass without a cache."""
    model, tokens, total = generator._model, list(ids), 0.0
    for _ in range(count + 1):
        length = 32
        row = np.zeros((1, length), np.int32)
        row[0, : len(tokens) + 1] = [BOS, *tokens]
        segments = (row > 0).astype(np.int32)
        empty = np.zeros((1, 0), np.int32)
        batch = {
            **{f"source_{field}": empty for field in ("tokens", "positions", "segments")},
            **{"target_inputs": row, "target_segments": segments, "target_positions": np.arange(length)[None]},
        }
        logits = np.array(model.apply({"params": generator.params}, batch)[0, len(tokens)], np.float64)
        log_probs = logits - np.log(np.sum(np.exp(logits - logits.max()))) - logits.max()
        if len(tokens) == len(ids):
            log_probs[EOS] = -np.inf  # min_length
        if len(tokens) - len(ids) == count:
            return tokens, total + log_probs[EOS]
        log_probs[[0, BOS]] = -np.inf
        best = int(log_probs.argmax())
        total += log_probs[best]
        if best == EOS:
            return tokens, total
        tokens.append(best)


def test_greedy_search_is_the_likeliest_token_each_time(generator):
    found = generator.generate(TEXTS, 1, 5, beam_size=1)
    decode = generator.tokenizers.target.decode
    for text, (way, *_) in zip(TEXTS, found):
        ids = generator.tokenizers.target.encode([text])[0][:-1]
        tokens, log_prob = _step_by_step(generator, ids, 5)
        decoded = "".join(" " if unicodedata.category(each) == "Cc" else each for each in decode([tokens])[0])
        assert way.text.split() == decoded.split()
        assert way.log_prob == pytest.approx(log_prob, abs=1e-3)
        assert way.text.startswith(text)


def test_a_text_is_as_likely_as_its_parts(generator):
    scores = generator.likelihoods(["Il fait beau.", ""])
    tokens = generator.tokenizers.target.encode(["Il fait beau."])[0]
    assert scores[0].pieces == generator.tokenizers.target.pieces(tokens)
    assert scores[0].log_prob == pytest.approx(math.fsum(scores[0].log_probs))
    assert len(scores[1].log_probs) == 1  # the end


def test_what_a_beam_or_a_sample_adds_is_as_likely_as_it_says(generator):
    for sampling in (None, SamplingConfig(seed=3)):
        ways = generator.generate(["Je ne"], 3, 4, sampling, beam_size=3)[0]
        assert len(ways) == 3
        for way in ways:
            if way.warnings or "\ufffd" in way.text:
                continue
            whole = generator.likelihoods([way.text])[0]
            before = generator.tokenizers.target.encode(["Je ne"])[0][:-1]
            ids = generator.tokenizers.target.encode([way.text])[0]
            if ids[: len(before)] == before and len(ids) - len(before) - 1 <= 4:
                added = math.fsum(whole.log_probs[len(before) :])
                assert way.log_prob == pytest.approx(added, abs=1e-3)


def test_it_says_no_more_than_it_has_learnt_positions_for(generator):
    way = generator.generate(["Tom est un"], 1, 1000, min_length=1000)[0][0]
    ids = generator.tokenizers.target.encode([way.text])[0]
    assert len(ids) <= 24 and "cut" in way.warnings
    with pytest.raises(UserError, match="text 2: has .* learnt from no more than 24"):
        generator.generate(["Tom", "Tom est " * 30])
    with pytest.raises(UserError, match="n best: 5"):
        generator.generate(["Tom"], 5)


def test_the_text_that_was_given_stays_as_it_was(generator):
    for text in ("Tom est ", "Tom"):
        way = generator.generate([text], 1, 3)[0][0].text
        assert way.startswith(text) and "  " not in way
