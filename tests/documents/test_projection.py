"""Markup is around the words that come from those that had it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mt.documents.projection import complete, normal, project, words
from mt.documents.segments import Builder, Mark, Segment


def marked(parts: str):
    """A segment of "<a>…</a>" and "<x/>", whatever the names."""
    builder = Builder()
    for part in parts.replace("<", "\n<").replace(">", ">\n").split("\n"):
        if part.startswith("</"):
            builder.close(part)
        elif part.endswith("/>"):
            builder.stand(part)
        elif part.startswith("<"):
            builder.open(part)
        else:
            builder.write(part)
    return builder.segment()


def projected(source: str, target: str, pairs: str) -> str:
    """A target with a source's markup, by an alignment as Pharaoh has it."""
    segment = marked(source)
    own, other = words(segment.text), words(target)
    weights = np.full((len(other), len(own)), 0.1 / len(own))
    for pair in pairs.split():
        from_, to = map(int, pair.split("-"))
        weights[to, from_] += 0.9
    weights /= weights.sum(axis=1, keepdims=True)
    marks = project(segment.marks, own, other, weights, len(target))
    return segment._replace(text=target, marks=marks).written(str)


@pytest.mark.parametrize(
    "source, target, pairs, expected",
    [
        ("a <b>red</b> car", "une voiture rouge", "0-0 2-1 1-2", "une voiture <b>rouge</b>"),
        ("<b>Thank you!</b> <i>Tom</i>", "Merci ! Tom", "0-0 1-1 2-2", "<b>Merci !</b> <i>Tom</i>"),
        ("see (<a>this</a>), now", "vois (ceci), maintenant", "0-0 1-1 2-2", "vois (<a>ceci</a>), maintenant"),
        ("<b>Hello</b>!", "Bonjour !", "0-0 0-1", "<b>Bonjour</b> !"),
        # Markup within markup, which moves with it.
        (
            "a <i>red <b>car</b></i> here",
            "ici une voiture rouge",
            "0-1 1-3 2-2 3-0",
            "ici une <i><b>voiture</b> rouge</i>",
        ),
        # What is not together in the translation has its markup once, where most of it is.
        ("do <b>not go out</b> now", "ne sors pas dehors là", "1-0 2-1 1-2 3-3 4-4", "<b>ne sors pas dehors</b> là"),
        ("<a>x</a> <b>y</b>", "b a", "0-1 1-0", "<b>b</b> <a>a</a>"),
        ("a<br/> b <img/>", "c d", "0-0 1-1", "c<br/> d<img/>"),
        ("<img/>a b", "c d", "0-1 1-0", "<img/>c d"),
        # Between two spaces, of which a translation has one.
        ("a <img/> b", "c d", "0-0 1-1", "c <img/> d"),
        ("a <i><img/></i><img/> b", "c d", "0-0 1-1", "c <i><img/></i><img/> d"),
        ("a <img/>b", "c d", "0-0 1-1", "c <img/>d"),
        ("a note<ref/>.", "une note.", "0-0 1-1", "une note<ref/>."),
        ("<a></a><b>a</b>", "c", "0-0", "<a></a><b>c</b>"),
        ("<b>a</b> <i>b</i> <u>c</u>", "x", "0-0 1-0 2-0", "<b>x</b><i></i><u></u>"),
        ("<b>a b</b>", "", "", "<b></b>"),
    ],
)
def test_where_markup_goes(source, target, pairs, expected):
    assert projected(source, target, pairs) == expected


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_markup_is_there_once_and_nests_as_before(data):
    def element(depth: int) -> str:
        parts = data.draw(st.lists(st.sampled_from(["w ", "x, ", "(y)", "<s/>", "e", " "]), max_size=4))
        return "".join(
            f"<t{depth}>{element(depth + 1)}</t{depth}>" if part == "e" and depth < 3 else part for part in parts
        )

    source = element(0)
    segment = marked(source)
    target = " ".join(data.draw(st.lists(st.sampled_from(["a", "b,", "(c)", "!"]), max_size=6)))
    own, other = words(segment.text), words(target)
    weights = np.random.default_rng(data.draw(st.integers(0, 99))).random((len(other), len(own)))
    marks = project(segment.marks, own, other, weights, len(target))
    # What stands by itself between two words brings the second space along.
    spaced = [new for new, old in zip(marks, segment.marks) if new.after == old.after + " "]
    assert all(each.begin == each.end and target[each.begin - 1 : each.begin].isspace() for each in spaced)
    marks = tuple(each._replace(after=each.after.removesuffix(" ")) if each in spaced else each for each in marks)
    assert [mark[2:] for mark in marks] == [mark[2:] for mark in segment.marks]
    written = segment._replace(text=target, marks=marks).written(str)
    plain, open_ = "", []
    for part in written.replace("<", "\n<").replace(">", ">\n").split("\n"):
        if part.startswith("</"):
            assert open_.pop() == part.replace("/", "")
        elif part.startswith("<") and not part.endswith("/>"):
            open_.append(part)
        elif not part.startswith("<"):
            plain += part
    assert not open_ and plain == target


def test_a_source_is_written_as_it_was():
    for source in ("<a>x <b>y</b></a><s/> z", "", "<a></a>", "a <b><i>c</i></b><u/>"):
        assert marked(source).written(str) == source
    builder = Builder()
    builder.write("a < ")
    builder.keep("<code>&lt;</code>")
    assert builder.segment().written(lambda text: text.replace("<", "&lt;")) == "a &lt; <code>&lt;</code>"
    # A stand-in is a word of its own.
    assert Segment("X TAXE (X)", raw={"X": "<x>"}).written(str.lower) == "<x> taxe (<x>)"
    assert Segment("X, Y", kept={"X": "<"}).written(lambda text: text.replace("<", "&lt;")) == "&lt;, Y"


def test_words_know_their_punctuation():
    assert words("«a», {0} !", ["{0}"]) == [(0, 4, 1, 2, True), (5, 8, 5, 8, True), (9, 10, 9, 10, False)]
    assert Mark(0, 1, "x").parent == -1


@pytest.mark.parametrize(
    "source, translation, expected",
    [
        ("use {0} now", "utilise maintenant", "utilise {0} maintenant"),
        ("use {0} now", "utilise {0} là, {0} là {0}", "utilise {0} là, là"),
        ("{0} X", "Xa", "{0} Xa X"),
        ("{0} X", "", "{0} X"),
        ("a b", "c", "c"),
    ],
)
def test_what_is_kept_is_there_once(source, translation, expected):
    names = ["{0}", "X", "{7}"]
    shape = len(words(translation, names)), len(words(source, names))
    found, weights = complete(source, translation, names, normal(None, shape))
    assert found == expected
    assert weights.shape == (len(words(found, names)), shape[1])
    np.testing.assert_allclose(weights.sum(axis=1), 1.0)
