"""A few of what `fuzz.py` tries by the hundred."""

import pytest

from tests.reliability.fuzz import KINDS, try_all


# Orbax leaves what it was reading to the garbage collector when it cannot go on.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(("kind", "tries"), [("bundle", 20), ("tokenizer", 60), ("pairs", 60)])
def test_damaged_files_are_read_or_refused_with_a_sentence(kind, tries):
    read, refused = try_all(kind, tries, seed=10_000)
    assert kind in KINDS and read + refused == tries and refused > tries / 5
