"""The translation that is nearest to all others that a model might give: minimum Bayes risk by chrF."""

import collections
from collections.abc import Sequence

_ORDER, _BETA = 6, 2  # of chrF2 (Popović 2015)


class _Text:
    """A text's character n-grams, white space left out, as sacreBLEU counts them."""

    def __init__(self, text: str):
        letters = "".join(text.split())
        self.counts = [
            collections.Counter(letters[start : start + order] for start in range(len(letters) - order + 1))
            for order in range(1, _ORDER + 1)
        ]
        self.totals = [max(len(letters) - order + 1, 0) for order in range(1, _ORDER + 1)]


def expected_utilities(texts: Sequence[str]) -> list[float]:
    """Each text's mean chrF2 against all, from 0 to 1 (Eikema and Aziz 2020, section 6).

    Args:
        texts: samples of the model; one that was drawn often counts so often.
    """
    counts = collections.Counter(texts)
    found = {text: _Text(text) for text in counts}
    utility = {
        text: sum(times * _chrf(found[text], found[other]) for other, times in counts.items()) / len(texts)
        for text in counts
    }
    return [utility[text] for text in texts]


def chrf(hypothesis: str, reference: str) -> float:
    """chrF2 of a sentence, from 0 to 1, as sacreBLEU's."""
    return _chrf(_Text(hypothesis), _Text(reference))


def _chrf(hypothesis: _Text, reference: _Text) -> float:
    precision = recall = 0.0
    orders = 0
    sides = hypothesis.counts, reference.counts, hypothesis.totals, reference.totals
    for ours, theirs, total, other_total in zip(*sides):
        if not total or not other_total:
            continue
        few, many = (ours, theirs) if len(ours) < len(theirs) else (theirs, ours)
        same = sum(min(count, many[ngram]) for ngram, count in few.items() if ngram in many)
        precision += same / total
        recall += same / other_total
        orders += 1
    if not precision or not recall:
        return 0.0
    precision, recall = precision / orders, recall / orders
    return (1 + _BETA**2) * precision * recall / (_BETA**2 * precision + recall)
