"""What the benchmark counts, and that it measures what it says. How fast anything is, no test asks."""

import json

import numpy as np
import pytest

from mt import cli
from mt.benchmarks.timing import seconds
from mt.benchmarks.training import random_batch, target_tokens, useful_flops
from tests.conftest import VOCAB, make_batch, tiny_config
from tests.test_cli import tiny_run_arguments


@pytest.fixture(scope="module")
def run(corpus_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "tiny"
    assert cli.main([*tiny_run_arguments(corpus_folder, 1, 1), "--workdir", str(folder)]) == 0
    return folder


def test_padding_and_packing_count_nothing():
    model = tiny_config().build(VOCAB)
    pairs = [([5] * 3, [6] * 2), ([5], [6] * 7), ([5] * 9, [6])]
    packed = make_batch([pairs[:2], pairs[2:], []], 16, 24)
    alone = [make_batch([[pair]], 32, 32) for pair in pairs]
    arrays = [{name: np.asarray(values) for name, values in batch.items()} for batch in (packed, *alone)]
    assert useful_flops(model, arrays[0]) == sum(useful_flops(model, each) for each in arrays[1:])
    assert useful_flops(model, arrays[0]) == 3 * model.flops([4, 2, 10], [3, 8, 2])
    assert [target_tokens(each) for each in arrays] == [13, 3, 8, 2]
    full = random_batch(4, 6, 8, VOCAB)
    assert useful_flops(model, full) == 3 * model.flops([6] * 4, [8] * 4)


def test_warming_up_does_not_count():
    calls = []
    assert len(seconds(lambda: calls.append(0), repeats=3, warmup=2)) == 3
    assert len(calls) == 5


def _lines(capsys, *arguments):
    assert cli.main(["benchmark", *arguments, "--json", "--repeats", "2"]) == 0
    environment, *lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert environment["environment"]["devices"] == 4
    return lines


@pytest.mark.thorough
def test_train_and_input(run, capsys):
    peak, found = _lines(capsys, "train", str(run), "--steps", "2")
    assert found["unit"] == "target tokens/s" and found["low"] <= found["median"] <= found["high"]
    assert found["share_of_peak"] == pytest.approx(found["flops"] / peak["flops"])
    synthetic = _lines(capsys, "train", str(run), "--steps", "2", "--synthetic")[-1]
    assert synthetic["unit"] == "target tokens/s"
    (found,) = _lines(capsys, "input", str(run), "--seconds", "0.1")
    assert found["median"] > 0


@pytest.mark.thorough
def test_decode(run, capsys):
    lines = _lines(capsys, "decode", str(run), "--longest", "4", "--sentences", "4")
    names = [line["name"] for line in lines]
    assert sum("batch 1," in name for name in names) >= 2 and any("sentences of text" in name for name in names)
    assert {line["varied"] for line in lines if "varied" in line} == {"beam", "batch"}
    assert cli.main(["benchmark", "decode", str(run), "--longest", "4", "--sentences", "0", "--repeats", "1"]) == 0
    assert "microseconds a token, against beam" in capsys.readouterr().out


@pytest.mark.thorough
def test_start(run, capsys):
    (found,) = _lines(capsys, "start", str(run))
    assert found["unit"] == "s" and found["low"] > 0


@pytest.mark.thorough
def test_start_of_a_config_takes_its_changes(corpus_folder, capsys):
    arguments = tiny_run_arguments(corpus_folder, 1000)[1:]
    seen = ["--data.cache", str(corpus_folder / "cache"), "--training.log-every", "7"]
    assert cli.main(["benchmark", "start", *arguments[:-6], *seen, "--json", "--repeats", "1"]) == 0
    _, found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert found["name"] == "to the first update" and found["median"] > 0
    assert list((corpus_folder / "cache").iterdir())  # where only the changed config would put it


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("train", "nowhere"), "nowhere: no such folder"),
        (("decode", "configs/missing.py"), "no such config file"),
        (("input", "RUN", "--repeats", "0"), "--repeats 0: is not positive"),
        (("fly", "RUN"), "fly"),
        (("train", "RUN", "--model.num-layers", "3"), "its model's fields cannot be changed"),
    ],
)
def test_bad_requests(run, arguments, message, capsys):
    assert cli.main(["benchmark", *(str(run) if each == "RUN" else each for each in arguments)]) == 2
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error and error.count("\n") == 1
