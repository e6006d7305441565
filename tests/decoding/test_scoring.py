"""Scores of translations that are there already are those of the search."""

import json
import math

import jax.numpy as jnp
import numpy as np
import pytest

from mt import cli, pretrained
from mt.commands import lines
from mt.decoding.batches import RowWorkers
from mt.decoding.beam_search import EOS, SearchConfig, beam_search, length_penalty
from mt.decoding.reader import program_lengths
from mt.decoding.scoring import score_pairs
from mt.decoding.translator import Translator
from mt.errors import UserError
from tests.conftest import random_params, tiny_config

SOURCES = [[7, 9, 4, EOS], [30, 5, EOS], [3, EOS], [11, 12, 13, 14, 15, EOS]]


def test_each_of_the_searchs_hypotheses_scores_what_the_search_says(tiny):
    model, params = tiny
    source = np.zeros((4, 8), np.int32)
    for row, ids in enumerate(SOURCES):
        source[row, : len(ids)] = ids
    config = SearchConfig(beam_size=3, max_length_offset=5)
    found = beam_search(model, params, jnp.asarray(source), jnp.asarray([8, 6, 4, 10]), config, 10, 3)
    pairs, log_probs = [], []
    for ids, tokens, lengths, of_row in zip(SOURCES, *(np.asarray(each).tolist() for each in (*found[:2], found[3]))):
        for hypothesis, length, log_prob in zip(tokens, lengths, of_row):
            pairs.append((ids, [*hypothesis[:length], EOS]))
            log_probs.append(log_prob)
    scored = score_pairs(RowWorkers(params), model, 1, pairs, (4, 8, 16))
    assert [len(each) for each in scored] == [len(target) for _, target in pairs]
    np.testing.assert_allclose([math.fsum(each) for each in scored], log_probs, atol=1e-4)


def test_a_score_depends_on_neither_order_nor_neighbours(tiny_translator):
    sources = ["Go.", "I have a cat and two dogs, which sleep all day.", "", "He is here.", "Go."]
    targets = ["Va !", "J'ai un chat.", "Rien.", "", "Va !"]
    together = tiny_translator.score(sources, targets)
    assert together[0] == together[4]
    for source, target, expected in zip(sources, targets, together):
        alone = tiny_translator.score([source], [target])[0]
        assert alone.pieces == expected.pieces and alone.pieces[-1] == "</s>"
        np.testing.assert_allclose(alone.log_probs, expected.log_probs, atol=1e-5)
        assert alone.log_prob == pytest.approx(math.fsum(alone.log_probs))
        penalty = length_penalty(len(alone.log_probs), SearchConfig(length_penalty=0.7))
        assert alone.score == pytest.approx(alone.log_prob / penalty)


def test_what_is_too_long_has_no_score_and_its_neighbours_have(tiny_translator):
    scores = tiny_translator.score(["Go."] * 3, ["Va !", "mot " * 2000, "Va !"])
    assert scores[1] is None and scores[0] == scores[2]


def test_what_a_model_translates_at_once_it_scores_and_aligns_however_long(tokenizers):
    """One by one, as the same pair with room behind it is scored among others."""
    model = tiny_config(num_layers=1).build(len(tokenizers.target))
    config = SearchConfig(length_penalty=0.7)
    short, long = (Translator(model, random_params(model), tokenizers, config, longest) for longest in (32, 600))
    assert short.longest == 1024 and long.longest == 1200
    source, target = "Go.", " ".join(["mot"] * 370)
    assert short.score([source], [target]) == short.align([source], [target]) == [None]
    (alone,) = long.score([source], [target])
    pair = [(long.tokenizers.source.encode([source])[0], long.tokenizers.target.encode([target])[0])]
    assert 1024 < len(pair[0][1]) <= 1200
    (expected,) = score_pairs(RowWorkers(random_params(model)), model, 1, pair, (8, 1500))
    np.testing.assert_allclose(alone.log_probs, expected, atol=1e-5)
    assert len(long.align([source], [target])[0]) == 370


def test_programs_are_compiled_for_lengths_that_double():
    assert program_lengths(5) == [5]
    assert program_lengths(64) == [16, 32, 64]
    assert program_lengths(3000) == [16, 32, 64, 128, 256, 512, 1024, 2048, 3000]


def test_bad_calls(tiny_translator):
    with pytest.raises(UserError, match="two lists of as many"):
        tiny_translator.score(["a", "b"], ["c"])
    with pytest.raises(UserError, match="length_penalty"):
        tiny_translator.score(["a"], ["c"], length_penalti=1)


def test_from_the_command_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(lines, "CHUNK", 1)
    table = tmp_path / "pairs.tsv"
    table.write_text("Thank you.\tMerci.\nThank you.\tbanane\n")
    run = str(pretrained.locate(pretrained.DEFAULT))
    assert cli.main(["score", run, str(table)]) == 0
    printed = capsys.readouterr()
    good, bad = (tuple(map(float, line.split("\t"))) for line in printed.out.splitlines())
    assert bad[0] < good[0] < 0 and "perplexity" in printed.err
    for name, column in (("a.en", 0), ("a.fr", 1)):
        texts = [line.split("\t")[column] for line in table.read_text().splitlines()]
        (tmp_path / name).write_text("\n".join(texts) + "\n")
    assert cli.main(["score", run, str(tmp_path / "a.en"), str(tmp_path / "a.fr"), "--json"]) == 0
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["line"], second["line"]) == (1, 2)
    assert first["source"] == "Thank you." and first["log_prob"] == pytest.approx(good[1], abs=1e-5)
    assert [piece for piece, _ in first["tokens"]][-1] == "</s>"


@pytest.mark.parametrize("text, said", [("a\tb\nno tab\n", "line 2: no tab"), ("a\tb\n\xff\t\n", "not valid UTF-8")])
def test_what_is_wrong_with_a_file_is_said_before_anything_is_scored(text, said, tmp_path, capsys):
    table = tmp_path / "pairs.tsv"
    table.write_bytes(text.encode("latin-1"))
    assert cli.main(["score", str(table)]) == 2
    printed = capsys.readouterr()
    assert said in printed.err and str(table) in printed.err and not printed.out
