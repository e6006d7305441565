"""Text is cut where sentences end, or where it must be."""

import pytest

from mt.decoding.splitting import sentences, split


@pytest.mark.parametrize(
    "text, parts",
    [
        (
            'He is here. She is not! Why? "Yes." (No.) Well…',
            ["He is here.", "She is not!", "Why?", '"Yes."', "(No.)", "Well…"],
        ),
        (" Mr. Smith and J. Doe met e.g. Tom, i.e. Dr. Who. ", ["Mr. Smith and J. Doe met e.g. Tom, i.e. Dr. Who."]),
        ("It costs 3.5 dollars. see page 7. Élan vital.", ["It costs 3.5 dollars. see page 7.", "Élan vital."]),
        ("你好。再见！「好。」", ["你好。", "再见！", "「好。」"]),
        ("¿Qué? ¡Sí! Привет. Пока", ["¿Qué?", "¡Sí!", "Привет.", "Пока"]),
        ("one line\ntwo.\n\nThree", ["one line\ntwo.", "Three"]),
        ("  ", []),
        ("no end", ["no end"]),
    ],
)
def test_sentences(text, parts):
    assert [text[begin:end] for begin, end in sentences(text)] == parts


def test_what_is_too_long_is_cut_at_the_best_place():
    assert split("A b. C d, e f", 4, len) == ["A b.", "C d,", "e f"]
    assert split("abcdefgh", 3, len) == ["ab", "cd", "ef", "gh"]
    assert split("a b", 3, len) == ["a b"]
    assert split("a b c, d e, f", 8, len) == ["a b c,", "d e, f"]  # parts of a sentence are joined, sentences are not
    assert split("Aaaa. Bbbb. Cccc.", 12, len) == ["Aaaa.", "Bbbb.", "Cccc."]
