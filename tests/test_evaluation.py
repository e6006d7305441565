"""Metrics against their own tools' figures."""

import pytest
import sacrebleu

from mt.evaluation import moses_bleu

pytest.importorskip("sacremoses", reason="sacremoses is not installed")


def test_moses_bleu_is_that_of_moses_tokens():
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
