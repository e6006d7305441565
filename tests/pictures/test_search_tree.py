"""The tree of a search is what its beams held."""

import jax.numpy as jnp

from mt.decoding.beam_search import SearchConfig, beam_search, trace
from mt.pictures import search_tree
from tests.decoding.test_beam_search import Toy

STEPS = [
    ({("a",): -0.5, ("b",): -1.0}, {}),
    ({("a", "c"): -1.5, ("a", "d"): -2.0}, {("b",): -1.2}),
    ({("a", "d", "e"): -2.5, ("a", "d", "f"): -2.6}, {("a", "c"): -0.9, ("b",): -1.2}),
]


def test_a_trace_ends_with_what_the_search_finds():
    config = SearchConfig(beam_size=3)
    source, limit = jnp.array([[4]]), 5
    steps = trace(Toy(), 2, source, config, limit, 3)
    found = beam_search(Toy(), 2, source, jnp.array([limit]), config, limit, 3)
    expected = {
        tuple(tokens[:length]): score
        for tokens, length, score in zip(found.tokens[0].tolist(), found.lengths[0].tolist(), found.scores[0].tolist())
    }
    assert steps[-1].finished == expected
    for number, step in enumerate(steps, 1):
        assert len(step.live) <= 3 and {len(words) for words in step.live} <= {number}
    for before, after in zip(steps, steps[1:]):  # nobody lives on whose parent did not
        assert {words[:-1] for words in after.live} <= before.live.keys()


def test_the_best_is_marked_and_chains_are_one_line():
    assert search_tree.text(search_tree.tree(STEPS)) == (
        "└*<s>  0.00\n"
        "  ├*a  -0.50\n"
        "  │ ├*c </s>  -0.90\n"
        "  │ └ d  -2.00\n"
        "  │   ├ e  -2.50\n"
        "  │   └ f  -2.60\n"
        "  └ b </s>  -1.20\n"
        "(log-probabilities in nats; at ends (</s>) scores, which have the length penalty)\n"
    )


def test_a_picture_has_every_hypothesis():
    figure = search_tree.draw(search_tree.tree(STEPS))
    texts = [text.get_text().splitlines()[0] for text in figure.axes[0].texts]
    assert sorted(texts) == sorted(["<s>", "a", "b", "c", "d", "e", "f", "</s>", "</s>"])
