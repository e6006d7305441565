"""What a hypothesis is as text, and a line's translation from those of its parts."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from mt.data.tokenizers import Side
from mt.decoding.batched_search import Hypothesis, Source
from mt.decoding.repetition import longest_circle

# What ends a line or a column somewhere, and what else controls a terminal.
_BREAKS = re.compile(r"[\0-\x1f\x7f-\x9f\u2028\u2029]+")
_MORE_CIRCLING = 4  # tokens that a translation may run in circles beyond half as long again as its source


class Translation(NamedTuple):
    """One way to translate a line.

    Attributes:
        text: the translation.
        score: what the search ranks by: `log_prob` over the length penalty, summed over the parts of a line that was
            too long to translate whole.
        log_prob: in nats, the end included.
        warnings: what looks wrong: "cut", if it is as long as it may be; "repeats", if it runs in circles, and longer
            than the source does; "unmet", if it does not keep to its constraints, as none was found that does.
    """

    text: str
    score: float
    log_prob: float
    warnings: tuple[str, ...] = ()


def read(side: Side, source: Source, found: list[Hypothesis], n: int, min_length: int) -> list[Translation]:
    """The n best of a source's hypotheses, as text. None is blank, unless all are or `min_length` is 0."""
    # A line stays a line, and a column a column, though bytes may spell their ends.
    texts = [_BREAKS.sub(" ", text) for text in side.decode([each.tokens for each in found])]
    ranked = list(zip(texts, found))
    said = [each for each in ranked if each[0].strip()] if min_length else ranked
    return [
        Translation(text, each.score, each.log_prob, _warnings(each, source)) for text, each in (said or ranked)[:n]
    ]


def _warnings(hypothesis: Hypothesis, source: Source) -> tuple[str, ...]:
    circle = longest_circle(hypothesis.tokens)
    repeats = circle > 0 and circle > 1.5 * longest_circle(source.ids) + _MORE_CIRCLING
    return ("cut",) * hypothesis.cut + ("repeats",) * repeats


def ranked_lines(number: int, found: Sequence[Translation]) -> list[str]:
    """Lines of what was found of an input line: its number, score, log-probability and text, tab-separated."""
    return [f"{number}\t{each.score:.6f}\t{each.log_prob:.6f}\t{each.text}" for each in found]


def join(text: str, parts: list[list[Translation]]) -> list[Translation]:
    """A line's translations from those of its parts: the k-th best of each, joined. What has no part is blank, or
    nothing that a vocabulary knows, which stays as it is."""
    if not parts:
        return [Translation(_BREAKS.sub(" ", text) if text.strip() else "", 0.0, 0.0)]
    if len(parts) == 1:
        return parts[0]
    ranks = [[part[rank] for part in parts] for rank in range(min(len(part) for part in parts))]
    return [combine(" ".join(each.text for each in chosen), chosen) for chosen in ranks]


def combine(text: str, parts: Sequence[Translation]) -> Translation:
    """The translation of a whole, made of its parts': their sums, and the warnings of all."""
    warnings = dict.fromkeys(warning for each in parts for warning in each.warnings)
    score, log_prob = sum(each.score for each in parts), sum(each.log_prob for each in parts)
    return Translation(text, score, log_prob, tuple(warnings))
