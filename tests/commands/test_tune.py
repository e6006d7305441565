"""`mt tune` finds what trying all would, and keeps it if it is asked to."""

import json
import re

from mt import Translator, cli, evaluation
from tests.commands.test_average import run  # noqa: F401
from tests.test_cli import tiny_run_arguments


def test_the_best_of_those_tried_is_kept(run, corpus_folder, capsys):  # noqa: F811
    before = json.loads((run / "config.json").read_text())["run"]["search"]
    arguments = ["tune", str(run), "--beam-sizes", "1", "3", "--length-penalties", "0", "2", "--sentences", "8"]
    assert cli.main(arguments) == 0
    assert json.loads((run / "config.json").read_text())["run"]["search"] == before
    assert cli.main([*arguments, "--save", "--metric", "chrF"]) == 0
    printed = capsys.readouterr().out
    rows = [line.split() for line in printed.partition("chrF")[2].splitlines()[1:] if re.match(r" +\d", line)]
    tried = {(int(beam), float(penalty)): float(score) for beam, penalty, score, _ in rows}
    assert set(tried) >= {(before["beam_size"], 0.0), (before["beam_size"], 2.0)} and len(tried) == 4
    kept = json.loads((run / "config.json").read_text())["run"]["search"]
    assert tried[kept["beam_size"], kept["length_penalty"]] == max(tried.values())
    sources, references = ((corpus_folder / f"dev.{each}").read_text().splitlines()[::5] for each in ("en", "fr"))
    score = evaluation.score_by("chrF", Translator.load(run).translate(sources), references)
    assert f"{score:.2f}" == f"{max(tried.values()):.2f}"
    # Also where training is gone on with; unless it is told otherwise.
    for options, expected in (([], kept), (["--search.beam-size", "2"], before | {"beam_size": 2}), ([], before)):
        assert cli.main([*tiny_run_arguments(corpus_folder, 9), "--workdir", str(run), *options]) == 0
        assert json.loads((run / "config.json").read_text())["run"]["search"] == expected
        assert ("as mt tune has found it" in capsys.readouterr().err) == (expected == kept)
