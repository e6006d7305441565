"""`mt tune` finds what trying all would, and keeps it if it is asked to."""

import json
import re

from mt import Translator, cli, evaluation
from tests.commands.test_average import run  # noqa: F401
from tests.conftest import shipped_pairs


def test_the_best_of_those_tried_is_kept(run, capsys):  # noqa: F811
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
    pairs = shipped_pairs("dev", 40)[::5]
    translations = Translator.load(run).translate([source for source, _ in pairs])
    score = evaluation.score_by("chrF", translations, [target for _, target in pairs])
    assert f"{score:.2f}" == f"{max(tried.values()):.2f}"
