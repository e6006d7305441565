"""The search as StableHLO, run by its script without `mt` and without Flax."""

import json
import os
import subprocess
import sys

import pytest

from mt import SamplingConfig, Translator, cli
from mt.data.tokenizers import Tokenizers
from tests.conftest import shipped_pairs
from tests.exporting.conftest import make_run, marian_form

LINES = [source for source, _ in shipped_pairs("dev", 40)] + ["", "   ", ">>fra<< Hello.", ">>xyz<< Hello."]


@pytest.mark.parametrize("whose", ["ours", "Marian's"])
def test_its_script_finds_what_mt_translate_finds(run, tmp_path, marian_tokenizer_files, whose):
    if whose == "Marian's":
        tokenizers = Tokenizers.of_files(marian_tokenizer_files, tmp_path)
        run = make_run(tmp_path / "run", tokenizers, marian_form(num_layers=1))
    out = tmp_path / "export"
    assert cli.main(["export", str(run), str(out), "--format", "stablehlo", "--n-best", "2"]) == 0
    assert json.loads((out / "config.json").read_text())["platforms"] == ["cpu", "cuda", "tpu"]

    found = run_script(out)
    expected = [(number, each) for number, best in enumerate(Translator.load(run).n_best(LINES, 2), 1) for each in best]
    assert [(int(number), text) for number, _, _, text in found] == [(number, each.text) for number, each in expected]
    for (_, score, log_prob, _), (_, each) in zip(found, expected):
        assert (float(score), float(log_prob)) == pytest.approx((each.score, each.log_prob), abs=1e-4)


def run_script(out) -> list[list[str]]:
    """What it writes of `LINES`."""
    program = (
        "import runpy, sys\n"
        "for name in ('mt', 'flax', 'orbax'): sys.modules[name] = None\n"  # importing them fails
        f"runpy.run_path({str(out / 'translate.py')!r}, run_name='__main__')"
    )
    text = "".join(f"{line}\n" for line in LINES)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([sys.executable, "-c", program], input=text, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return [line.split("\t") for line in done.stdout.split("\n")[:-1]]


def test_its_samples_are_those_of_mt_translate(run, tmp_path):
    out = tmp_path / "export"
    words = ["export", str(run), str(out), "--format", "stablehlo", "--n-best", "3", "--coverage-penalty", "0.5"]
    assert cli.main([*words, "--sample", "--top-k", "5", "--seed", "7"]) == 0
    expected = Translator.load(run).n_best(LINES, 3, sampling=SamplingConfig(top_k=5, seed=7))
    texts = [(number, each.text) for number, of_line in enumerate(expected, 1) for each in of_line]
    assert [(int(number), text) for number, _, _, text in run_script(out)] == texts
    assert cli.main([*words[:2], str(tmp_path / "other"), "--sample"]) == 2


def test_a_line_too_long_is_refused(run, tmp_path):
    out = tmp_path / "export"
    assert cli.main(["export", str(run), str(out), "--format", "stablehlo", "--beam-size", "1"]) == 0
    done = subprocess.run(
        [sys.executable, out / "translate.py"], input="word " * 100 + "\n", capture_output=True, text=True
    )
    assert done.returncode == 1 and "is too long" in done.stderr and "Traceback" not in done.stderr
