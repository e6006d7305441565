"""Metrics against their own tools' figures."""

import pytest
import sacrebleu

from mt.evaluation import document_bleu, moses_bleu, score


def test_bleu_of_documents_is_that_of_their_lines_in_one():
    hypotheses = ["Le chat est là.", "Il dort toujours ici.", "Une autre phrase.", "Elle est vide."]
    references = ["Le chat est là.", "Il dort ici.", "Une autre chose.", "Elle est vide."]
    whole = (
        [f"{texts[0]} {texts[1]}" for texts in (hypotheses, references)],
        [f"{texts[2]} {texts[3]}" for texts in (hypotheses, references)],
    )
    expected = score(*zip(*whole))["BLEU"]
    assert document_bleu(hypotheses, references, [3, 3, 5, 5]) == expected
    # Four-grams reach over the ends of lines, so it is another figure than the lines'.
    assert document_bleu(hypotheses, references, [1, 2, 3, 4]) == score(hypotheses, references)["BLEU"] != expected


def test_moses_bleu_is_that_of_moses_tokens():
    pytest.importorskip("sacremoses", reason="sacremoses is not installed")
    hypotheses = ["L’homme s'assoit, « bien sûr ».", "UN CHIEN COURT DANS LE PARC ."]
    references = ["L'homme s'assoit, \"bien sûr\".", "Un chien court dans le grand parc."]
    # By tokenizer.perl's rules for French, by hand.
    tokens = [
        ["l&apos; homme s&apos; assoit , &quot; bien sûr &quot; .", "un chien court dans le parc ."],
        ["l&apos; homme s&apos; assoit , &quot; bien sûr &quot; .", "un chien court dans le grand parc ."],
    ]
    expected = sacrebleu.corpus_bleu(tokens[0], [tokens[1]], tokenize="none", force=True).score
    found = moses_bleu(hypotheses, references, "fr")
    assert found["score"] == pytest.approx(expected, abs=1e-3)
    assert "case:lc" in found["signature"] and "tok:moses-fr" in found["signature"]


def test_whole_documents_have_no_ter():
    """Which would take minutes for each."""
    short, long = ["Le chat dort."] * 3, [" ".join(f"mot{number}" for number in range(1000))] * 2
    assert set(score(short, short)) == {"BLEU", "chrF", "TER"}
    assert set(score(long, long[::-1])) == {"BLEU", "chrF"}
