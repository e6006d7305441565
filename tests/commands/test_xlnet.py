"""XLNet from the command line: it remembers, reads both ways, and a translator starts from it."""

import json

import pytest

from tests.commands.test_documents import novels  # noqa: F401
from tests.trainings import REMEMBERING, SMALL, check_gone_on_with_exactly, train_config

pytestmark = pytest.mark.thorough


def test_it_is_gone_on_with_exactly_and_started_from(novels, corpus_folder, tmp_path):  # noqa: F811
    run, fields = tmp_path / "xlnet", SMALL | REMEMBERING | {"model.num-layers": 2}
    text = ["--data.train", str(novels), "--data.target-language", "fr", "--data.filter.duplicates", "keep"]
    text += ["--data.batching.kind", "documents", "--data.batching.backwards", "True"]
    assert train_config("xlnet_en.py", run, fields, *text) == 0
    metrics = json.loads((run / "evaluation-test.json").read_text())["metrics"]
    assert 1 < metrics["perplexity"]["score"] < 1000
    check_gone_on_with_exactly(run, lambda each: train_config("xlnet_en.py", each, fields, *text), ("params", "carry"))
    short = {name: value for name, value in fields.items() if not name.startswith(("model", "tokenizer"))}
    started = ["--data.train", str(corpus_folder), "--encoder-from", str(run)]
    assert train_config("tatoeba_en_fr_tiny.py", tmp_path / "translator", short, *started) == 0
    model = json.loads((tmp_path / "translator" / "config.json").read_text())["run"]["model"]
    assert (model["positions"], model["norm"], model["num_layers"]) == ("relative", "post", 2)
