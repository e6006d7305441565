"""A model that remembers, from the command line: what it remembers is kept when training stops, on any machine."""

import json
import shutil

import pytest

from tests.conftest import shipped_pairs
from tests.trainings import REMEMBERING, SMALL, check_gone_on_with_exactly, saved_arrays, train_config

pytestmark = pytest.mark.thorough

FIELDS = SMALL | REMEMBERING | {"model.num-layers": 2}


def _train(run, corpus, *options):
    return train_config("transformer_xl_fr.py", run, FIELDS, "--data.train", str(corpus), *options)


@pytest.fixture(scope="module")
def novels(tmp_path_factory):
    folder = tmp_path_factory.mktemp("novels")
    for split, count in (("train", 400), ("dev", 30), ("test", 30)):
        lines = [french for _, french in shipped_pairs(split, count)]
        documents = ["".join(f"{line}\n" for line in lines[start : start + 25]) for start in range(0, count, 25)]
        (folder / f"{split}.fr").write_text("\n".join(documents))
    return folder


@pytest.fixture(scope="module")
def run(novels, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "xl"
    assert _train(folder, novels) == 0
    return folder


def test_it_is_gone_on_with_exactly(run, novels):
    check_gone_on_with_exactly(run, lambda each: _train(each, novels), ("params", "optimizer_state", "carry"))
    assert any((array != 0).any() for array in saved_arrays(run, 6, "carry").values())


def test_what_was_remembered_matters(run, novels):
    forgets = run.with_name("forgets")
    assert _train(forgets, novels, "--model.memory-length", "0") == 0
    losses = []
    for each in (run, forgets):
        lines = [json.loads(line) for line in (each / "metrics.jsonl").read_text().splitlines()]
        losses.append([line["train/loss"] for line in lines if "train/loss" in line])
    assert losses[0][0] == pytest.approx(losses[1][0], abs=1e-5)  # of the first batch, nothing is remembered yet
    assert abs(losses[0][1] - losses[1][1]) > 1e-6


def test_a_damaged_memory_is_noticed(run, novels, capsys):
    damaged = run.with_name("damaged")
    shutil.copytree(run, damaged)
    files = [path for path in (damaged / "checkpoints" / "6" / "carry").rglob("*") if path.is_file()]
    largest = max(files, key=lambda path: path.stat().st_size)
    content = bytearray(largest.read_bytes())
    content[len(content) // 2] ^= 1
    largest.write_bytes(bytes(content))
    assert _train(damaged, novels) == 0
    assert "the checkpoint of step 6 is damaged" in capsys.readouterr().err


def test_memories_need_documents(run, novels, tmp_path, capsys):
    assert _train(tmp_path / "packed", novels, "--data.batching.kind", "packing") == 2
    assert "set data.batching.kind to documents" in capsys.readouterr().err
    assert _train(tmp_path / "pairs", "tatoeba_en_fr", "--data.source-language", "en") == 2
    assert "Transformer-XL reads text of one language" in capsys.readouterr().err
