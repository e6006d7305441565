"""chrF is sacreBLEU's, and the text with the least risk is that of the definition."""

import sacrebleu
from hypothesis import given
from hypothesis import strategies as st

from mt.decoding.minimum_risk import chrf, expected_utilities

TEXTS = st.text("abc é.", max_size=20)


@given(TEXTS, TEXTS)
def test_chrf_is_sacrebleus(hypothesis, reference):
    expected = sacrebleu.sentence_chrf(hypothesis, [reference]).score / 100
    assert abs(chrf(hypothesis, reference) - expected) < 1e-4


def test_a_texts_utility_is_its_mean_against_all_as_often_as_they_were_drawn():
    texts = ["the cat", "the cat", "a cat", "dog"]
    expected = [sum(chrf(one, other) for other in texts) / 4 for one in texts]
    assert all(abs(found - one) < 1e-9 for found, one in zip(expected_utilities(texts), expected))
    assert expected.index(max(expected)) == 0
