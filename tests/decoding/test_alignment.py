"""Alignments are of words, and where the weights are."""

import numpy as np
import pytest

from mt import cli, pretrained
from mt.decoding.alignment import align, word_weights
from mt.errors import UserError


def test_each_target_word_takes_the_source_word_that_its_tokens_look_at_most():
    source, target = ["▁The", "▁ca", "t", "▁sleeps", ".", "</s>"], ["▁Le", "▁ch", "at", "▁dort", ".", "</s>"]
    weights = np.full((8, 9), 0.05)  # padded
    for row, column, weight in ((0, 0, 0.6), (1, 1, 0.3), (2, 2, 0.3), (2, 3, 0.4), (3, 4, 0.9), (4, 5, 0.99)):
        weights[row, column] = weight
    assert align(word_weights(weights, source, target)) == [(0, 0), (1, 1), (2, 2)]
    assert align(word_weights(weights, ["</s>"], target)) == align(word_weights(weights, source, ["</s>"])) == []


def test_an_alignment_depends_on_neither_order_nor_neighbours(tiny_translator):
    sources = ["Go.", "I have a cat and two dogs.", "", "Go."]
    targets = ["Va !", "J'ai un chat et deux chiens.", "Rien.", "mot " * 2000]
    together = tiny_translator.align(sources, targets)
    assert together[2:] == [[], None]
    for source, target, expected in zip(sources[:2], targets, together):
        assert tiny_translator.align([source], [target]) == [expected]
        assert [word for _, word in expected] == list(range(len(target.split())))
        assert all(0 <= word < len(source.split()) for word, _ in expected)
    with pytest.raises(UserError, match="layer: 2 is not from 0 to 1"):
        tiny_translator.align(["a"], ["b"], layer=2)


def test_from_the_command_line(tmp_path, capsys):
    (tmp_path / "pairs.tsv").write_text("The cat sleeps.\tLe chat dort.\n\t\n")
    assert cli.main(["align", pretrained.DEFAULT, str(tmp_path / "pairs.tsv")]) == 0
    assert capsys.readouterr().out == "0-0 1-1 2-2\n\n"
