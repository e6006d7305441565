"""XLNet from the command line: it remembers, reads both ways, and a translator starts from it."""

import json
import shutil

import numpy as np
import pytest

from mt import cli
from tests.commands.test_documents import SMALL, novels  # noqa: F401
from tests.conftest import ROOT
from tests.training.test_loop import saved_arrays

pytestmark = pytest.mark.thorough


def _train(config, run, *options):
    words = [word for name, value in SMALL.items() for word in (f"--{name}", str(value))]
    return cli.main(["train", str(ROOT / "configs" / config), "--workdir", str(run), *words, *options])


def test_it_is_gone_on_with_exactly_and_started_from(novels, corpus_folder, tmp_path):  # noqa: F811
    run, stopped = tmp_path / "xlnet", tmp_path / "stopped"
    text = ["--data.train", str(novels), "--data.target-language", "fr", "--data.filter.duplicates", "keep"]
    both_ways = ["--data.batching.kind", "documents", "--data.batching.backwards", "True"]
    assert _train("xlnet_en.py", run, *text, *both_ways) == 0
    metrics = json.loads((run / "evaluation-test.json").read_text())["metrics"]
    assert 1 < metrics["perplexity"]["score"] < 1000
    shutil.copytree(run, stopped)
    shutil.rmtree(stopped / "checkpoints" / "6")
    assert _train("xlnet_en.py", stopped, *text, *both_ways) == 0
    for name in ("params", "carry"):
        one, other = (saved_arrays(each, 6, name) for each in (run, stopped))
        assert one.keys() == other.keys() and one
        for path, array in one.items():
            np.testing.assert_array_equal(array, other[path], err_msg=path)
    tiny = [str(ROOT / "configs" / "tatoeba_en_fr_tiny.py"), "--workdir", str(tmp_path / "translator")]
    short = [
        word for name, value in SMALL.items() if not name.startswith("model") for word in (f"--{name}", str(value))
    ]
    started = ["--data.train", str(corpus_folder), "--encoder-from", str(run)]
    assert cli.main(["train", *tiny, *short, *started]) == 0
    model = json.loads((tmp_path / "translator" / "config.json").read_text())["run"]["model"]
    assert (model["positions"], model["norm"], model["num_layers"]) == ("relative", "post", 2)
