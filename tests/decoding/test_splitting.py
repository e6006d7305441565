"""Text is cut where sentences end, or where it must be."""

import pytest

from mt.decoding.splitting import sentences, split
from mt.decoding.translator import Translator


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


def test_sentences_stay_together_where_they_fit_if_asked():
    assert split("Aaaa. Bbbb.  Cccc. D.", 12, len, together=True) == ["Aaaa. Bbbb.", "Cccc. D."]
    assert split("Aaaa bbbb. Cc.", 6, len, together=True) == ["Aaaa", "bbbb.", "Cc."]
    assert split(" Aa. ", 12, len, together=True) == ["Aa."]


def test_what_is_too_long_is_cut_at_the_best_place():
    assert split("A b. C d, e f", 4, len) == ["A b.", "C d,", "e f"]
    assert split("abcdefgh", 3, len) == ["ab", "cd", "ef", "gh"]
    assert split("a b", 3, len) == ["a b"]
    assert split("a b c, d e, f", 8, len) == ["a b c,", "d e, f"]  # parts of a sentence are joined, sentences are not
    assert split("Aaaa. Bbbb. Cccc.", 12, len) == ["Aaaa.", "Bbbb.", "Cccc."]


def test_a_model_of_whole_documents_has_its_sentences_together(tiny_translator):
    text = "I have a cat. It is here. He is my friend. Go. We go home now. It rains. You are late. I am not."
    encode = tiny_translator.tokenizers.source.encode
    assert len(encode([text])[0]) > 32
    own = tiny_translator._model, tiny_translator.params, tiny_translator.tokenizers, tiny_translator.search, 32
    whole = Translator(*own, whole_documents=True)
    stretches = split(text, 32, lambda part: len(encode([part])[0]), together=True)
    assert 1 < len(stretches) < len(sentences(text))
    assert whole.translate([text]) == [" ".join(whole.translate(stretches))] != tiny_translator.translate([text])
    by_sentence = whole.n_best([text], 1, split_sentences=True)[0][0].text
    assert by_sentence == tiny_translator.translate([text])[0]
