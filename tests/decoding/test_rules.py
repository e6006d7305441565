"""Search by rules finds what exhaustive search finds among the translations that keep to them."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mt.decoding.automata import DEAD, Alphabet
from mt.decoding.beam_search import SearchConfig, beam_search
from mt.decoding.rules import stack
from mt.decoding.selection import NEVER
from mt.errors import UserError
from tests.decoding.test_beam_search import Toy, every_hypothesis

PIECES = ["<pad>", "<s>", "</s>", "▁a", "b", "▁ab", "c"]
ALPHABET = Alphabet(PIECES)
LIMIT, ALPHA = 4, 0.6


def written(tokens) -> str:
    return "".join(PIECES[token] for token in tokens).replace("▁", " ")


def read(automaton, tokens) -> int:
    """The state after these tokens."""
    state = 0
    for token in tokens:
        if state != DEAD:
            state = automaton.table[state, automaton.classes[token]]
    return state


def keeps(automaton, tokens) -> bool:
    state = read(automaton, tokens)
    return state != DEAD and automaton.tokens_left[state] == 0


RULES = {
    "prefix": ([ALPHABET.begins("ab")], lambda text: text.startswith(" ab")),
    "prefix within a token": ([ALPHABET.begins("a")], lambda text: text.startswith(" a")),
    "wanted": ([ALPHABET.phrase(["ab"], True)], lambda text: bool(re.search(r"\bab\b", text))),
    "wanted in one of two ways": (
        [ALPHABET.phrase(["abb", "ac"], True)],
        lambda text: bool(re.search(r"\b(abb|ac)\b", text)),
    ),
    "two words": ([ALPHABET.phrase(["ab a"], True)], lambda text: bool(re.search(r"\bab a\b", text))),
    "not wanted": ([ALPHABET.phrase(["a"], False)], lambda text: not re.search(r"\ba\b", text)),
    "once": ([ALPHABET.once("a")], lambda text: len(re.findall(r"\ba\b", text)) == 1),
    "all at once": (
        [
            ALPHABET.begins("a"),
            ALPHABET.phrase(["ab"], True),
            ALPHABET.phrase(["ac"], True),
            ALPHABET.phrase(["a"], False),
        ],
        lambda text: (
            text.startswith(" a")
            and all(re.search(rf"\b{word}\b", text) for word in ("ab", "ac"))
            and not re.search(r"\ba\b", text)
        ),
    ),
}


@pytest.fixture(scope="module")
def wide_search():
    config = SearchConfig(beam_size=400, length_penalty=ALPHA, min_length=0)

    @jax.jit
    def run(rules):
        return beam_search(Toy(), 5, jnp.array([[1], [2]]), jnp.array([LIMIT, LIMIT]), config, LIMIT, 5, rules=rules)

    return run


@pytest.mark.parametrize("name", RULES)
def test_it_is_exhaustive_search_among_those_that_keep_to_the_rules(name, wide_search):
    automata, allowed = RULES[name]
    rules = stack([automata, automata], (4, 16, 16), len(PIECES))
    found = jax.device_get(wide_search(rules))
    for row, first in enumerate((1, 2)):
        every = every_hypothesis(5, first, 0, LIMIT)
        kept = [words for words in every if allowed(written(words))]
        assert 0 < len(kept) < len(every)
        ranked = sorted(kept, key=lambda words: -every[words] / ((5 + len(words) + 1) / 6) ** ALPHA)[:5]
        assert [tuple(t[:n].tolist()) for t, n in zip(found.tokens[row], found.lengths[row])][: len(ranked)] == ranked
        np.testing.assert_allclose(found.log_probs[row][: len(ranked)], [every[words] for words in ranked], atol=1e-4)


def test_a_narrow_beam_keeps_to_the_rules_whatever_it_costs():
    """In a length that hardly holds what is wanted; where it does not, there is no translation."""
    config = SearchConfig(beam_size=4, length_penalty=ALPHA)
    automata = [ALPHABET.phrase(["abb"], True), ALPHABET.phrase(["acc"], True)]  # two tokens, and three
    rules, limits = stack([automata] * 30, (2, 16, 16), len(PIECES)), jnp.array([4 + row % 4 for row in range(30)])
    found = jax.jit(lambda rules: beam_search(Toy(), 3, jnp.arange(30)[:, None], limits, config, 7, rules=rules))(rules)
    best = zip(limits.tolist(), found.tokens[:, 0].tolist(), found.lengths[:, 0].tolist(), found.scores[:, 0].tolist())
    for limit, tokens, length, score in best:
        assert (score > NEVER) == (limit >= 5)
        for word in ("abb", "acc") * (limit >= 5):
            assert re.search(rf"\b{word}\b", written(tokens[:length]))


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_an_automaton_says_what_a_regular_expression_says(data):
    letters = ["a", "b", " ", "-", "."]
    pieces = data.draw(st.lists(st.text("ab -.", min_size=1, max_size=4), min_size=1, max_size=8, unique=True))
    alphabet = Alphabet(["<pad>", *letters, *(piece.replace(" ", "▁") for piece in pieces if piece not in letters)])
    written = ["", *letters, *(piece for piece in pieces if piece not in letters)]
    phrase = data.draw(st.text("ab -.", min_size=1, max_size=4).filter(lambda text: text == " ".join(text.split())))
    tokens = data.draw(st.lists(st.integers(1, len(written) - 1), max_size=12))
    text = "".join(written[token] for token in tokens)
    after = r"(?![ab])" if phrase[-1] in "ab" else ""
    for wanted, before in ((True, r"(?<![ab.])"), (False, r"(?<![ab])")):
        there = bool(re.search(before * (phrase[0] in "ab") + re.escape(phrase) + after, text))
        assert keeps(alphabet.phrase([phrase], wanted), tokens) == (there == wanted)
    times = len(re.findall(r"(?<![ab.])" * (phrase[0] in "ab") + re.escape(phrase) + after, text))
    assert keeps(alphabet.once(phrase), tokens) == (times == 1)
    assert keeps(alphabet.begins(phrase), tokens) == text.startswith(f" {phrase}")
    assert not keeps(alphabet.phrase([phrase], False), [0])  # what writes nothing is not allowed


def test_the_tokens_that_it_takes_at_least():
    rule = ALPHABET.phrase(["abc a"], True)
    assert rule.tokens_left[0] == 3  # "▁ab", "c", "▁a"
    assert rule.tokens_left[read(rule, [5])] == 2


def test_what_cannot_be_written_is_said():
    with pytest.raises(UserError, match="no token for 'x'"):
        ALPHABET.phrase(["ax"], True)
    spelt = Alphabet(["a", *(f"<0x{byte:02X}>" for byte in range(256))]).phrase(["é"], True)
    assert keeps(spelt, [1 + 0xC3, 1 + 0xA9]) and not keeps(spelt, [1 + 0xC3])
