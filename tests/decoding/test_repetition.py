"""What runs in circles, and what only sounds so."""

import pytest

from mt.decoding.repetition import longest_circle


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", False),
        ("no no no no", False),
        ("no " * 8, True),
        ("the cat and the dog and the cow and the pig", False),
        ("a man in a " * 4, True),
        ("he said that a man in a " + "blue shirt , " * 5 + "was there", True),
        ("1 2 3 4 5 6 7 8 9 10 11 12 " * 3, False),
        ("1 2 3 4 5 6 7 8 9 10 11 12 " * 4, True),
    ],
)
def test_circles(text, expected):
    assert bool(longest_circle(text.split())) == expected
