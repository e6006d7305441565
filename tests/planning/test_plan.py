import json
import os
import sys

import pytest

from mt import cli
from tests.conftest import ROOT

TINY = str(ROOT / "configs" / "tatoeba_en_fr_tiny.py")


@pytest.fixture(autouse=True)
def flags_of_libtpu(monkeypatch):
    """libtpu reads the same variable, and ends the process at a flag that only jaxlib's compiler has."""
    known = [flag for flag in os.environ["XLA_FLAGS"].split() if "fusion_emitters" not in flag]
    monkeypatch.setenv("XLA_FLAGS", " ".join(known))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--topology", "v9:2x2"], "unknown kind of chip 'v9'"),
        (["--topology", "v5e:2x4", "--rows", "-1"], "--rows -1: is negative"),
        (["--topology", "v5e:2x4", "--source-length", "1"], "--source-length 1"),
        (["--decode"], "topology"),
    ],
)
def test_bad_options_are_answered_with_a_sentence(options, sentence, capsys):
    assert cli.main(["plan", TINY, *options]) == 2
    assert sentence in capsys.readouterr().err


def test_without_the_compiler_it_says_how_to_get_it(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "libtpu", None)
    assert cli.main(["plan", TINY, "--topology", "v5e:2x4"]) == 2
    assert "pip install -e '.[plan]'" in capsys.readouterr().err


def _planned(capsys, *options):
    pytest.importorskip("libtpu", reason="the extra `plan` is not installed")
    status = cli.main(["plan", TINY, "--topology", "v5e:2x4", "--no-largest-batch", "--json", *options])
    printed = capsys.readouterr()
    return status, json.loads(printed.out) if printed.out else None, printed.err


@pytest.mark.parametrize(
    ("options", "sentence"),
    [(["--topology", "v5e:9x9"], "no such machine"), (["--rows", "100000000"], "rows a core: needs")],
)
def test_what_cannot_be_compiled_is_answered_with_a_sentence(options, sentence, capsys):
    status, _, error = _planned(capsys, *options)
    assert status == 2 and sentence in error


def test_an_update_costs_what_its_products_cost(capsys):
    """By hand, one layer each: width 128, feed-forward 512, vocabulary 8,000, a row of 48 + 48 tokens."""
    one_layer = ["--model.num-layers", "1", "--optimizer.kind", "adam", "--rows", "32"]
    _, plan, _ = _planned(capsys, *one_layer)
    tokens, width, inner, vocab, length = 32 * 48, 128, 512, 8000, 48
    attention = 4 * width * width + 2 * length * width
    encoder = tokens * (attention + 2 * width * inner)
    decoder = tokens * (2 * attention + 2 * width * inner)
    forward = 2 * (encoder + decoder + tokens * width * vocab)
    assert plan["flops_per_step"] == pytest.approx(3 * forward, rel=0.05)
    assert plan["argument_bytes"] + plan["temp_bytes"] == plan["memory_bytes"] < 16e9
    assert plan["collective_bytes_per_step"] == pytest.approx(plan["argument_bytes"] / 3, rel=0.1)  # Adam keeps two


def test_a_search_costs_as_many_steps_as_its_longest_translation(capsys):
    few, many = (
        _planned(capsys, "--decode", "--search.max-length-factor", "0", "--search.max-length-offset", length)[1]
        for length in ("20", "80")
    )
    assert 3 < many["flops_per_step"] / few["flops_per_step"] < 4.5
    assert many["target_tokens_per_core"] == 4 * few["target_tokens_per_core"]
