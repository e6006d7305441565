"""The command line as its user types it: what comes out, and what bad input is answered with."""

import contextlib
import json
import os
import pathlib
import re
import select
import shutil
import signal
import subprocess
import sys
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mt import Translator, cli
from mt.commands.lines import run_and_files
from mt.decoding.batched_search import max_target_length
from mt.decoding.beam_search import SearchConfig
from mt.errors import UserError
from mt.files import atomic_folder, locked
from tests.conftest import ROOT, shipped_pairs

CONFIG = str(ROOT / "configs" / "tatoeba_en_fr_tiny.py")


def tiny_run_arguments(corpus, steps, evaluate_every=3) -> list[str]:
    """A training that takes seconds."""
    return [
        "train",
        CONFIG,
        *("--data.train", str(corpus)),
        *("--data.batching.batch-tokens", "512", "--data.batching.row-length", "64"),
        *("--data.batching.kind", "packing"),
        *("--tokenizer.vocab-size", "400"),
        *("--model.num-layers", "1", "--model.decoder-layers", "1", "--model.model-dim", "16"),
        *("--model.ff-dim", "32", "--model.num-heads", "2", "--model.dropout", "0.1"),
        *("--training.steps", str(steps), "--training.evaluate-every", str(evaluate_every)),
        *("--training.log-every", "1", "--training.dev-sentences", "8", "--search.max-length-factor", "0.5"),
    ]


@pytest.fixture(scope="module")
def run(corpus_folder, tmp_path_factory) -> pathlib.Path:
    """A finished training."""
    folder = tmp_path_factory.mktemp("run") / "tiny"
    assert cli.main([*tiny_run_arguments(corpus_folder, 6), "--workdir", str(folder)]) == 0
    return folder


def test_train_leaves_what_it_says(run):
    config = json.loads((run / "config.json").read_text())
    assert config["run"]["model"]["model_dim"] == 16
    assert {path.name for path in (run / "checkpoints").iterdir()} <= {"3", "6"}
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "train/loss" in line] == [1, 2, 3, 4, 5, 6]
    assert all(line["train/target_tokens_per_second"] > 0 for line in lines if "train/loss" in line)
    metrics = json.loads((run / "evaluation-test.json").read_text())["metrics"]
    assert set(metrics) == {"BLEU", "chrF", "TER"}


def test_evaluate_a_split_and_files(run, corpus_folder, tmp_path, capsys):
    assert cli.main(["evaluate", str(run), "--split", "dev"]) == 0
    printed = capsys.readouterr().out
    assert "BLEU" in printed and "chrF" in printed and "TER" in printed and "nrefs:1|case:mixed" in printed
    assert json.loads((run / "evaluation-dev.json").read_text())["name"] == "dev"
    arguments = ["--source", f"{corpus_folder}/test.en", "--reference", f"{corpus_folder}/test.fr"]
    assert cli.main(["evaluate", str(run), *arguments, "--json", str(tmp_path / "e.json"), "--beam-size", "2"]) == 0
    assert json.loads((tmp_path / "e.json").read_text())["sentences"] == 40
    other = tmp_path / "more.docs"  # two documents with a blank line between them
    other.mkdir()
    for language in ("en", "fr"):
        lines = (corpus_folder / f"test.{language}").read_text().splitlines(keepends=True)
        (other / f"test.{language}").write_text("".join([*lines[:10], "\n", *lines[10:]]))
    assert cli.main(["evaluate", str(run), "--corpus", str(other), "--beam-size", "2"]) == 0
    found = json.loads((run / "evaluation-more-docs.json").read_text())
    assert found["name"] == "more-docs" and found["sentences"] == 40
    metrics = json.loads((tmp_path / "e.json").read_text())["metrics"]
    assert found["metrics"].pop("document BLEU")["score"] >= 0 and found["metrics"] == metrics


def test_translate_files_and_n_best(run, tmp_path, capsys):
    text = tmp_path / "in.txt"
    text.write_text("Go.\n\nCome here.\n \nStop\n")
    assert cli.main(["translate", str(run), str(text), "--output", str(tmp_path / "out.txt")]) == 0
    lines = (tmp_path / "out.txt").read_text().split("\n")
    assert len(lines) == 6 and lines[1] == lines[3] == lines[5] == ""
    assert cli.main(["translate", str(run), str(text), "--n-best", "2"]) == 0
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [row[0] for row in rows] == ["1", "1", "2", "3", "3", "4", "5", "5"]
    assert [row[3] for row in rows if row[0] == "1"][0] == lines[0]
    assert all(float(row[1]) >= float(following[1]) for row, following in zip(rows, rows[1:]) if row[0] == following[0])


def test_translations_depend_on_neither_order_nor_neighbours(run):
    translator = Translator.load(run)
    sources = [source for source, _ in shipped_pairs("test", 25)]
    together = translator.translate(sources)
    assert translator.translate(sources[::-1]) == together[::-1]
    assert [translator.translate([source])[0] for source in sources[:5]] == together[:5]
    assert list(translator.translate_lines(iter(sources)))[7][0].text == together[7]
    assert translator.translate(sources, beam_size=1) == [translator.translate([s], beam_size=1)[0] for s in sources]


STRANGE = [
    *("", " ", "\t", "\u3000", "\u200b", "\0", "a\0b", "\x07\x1b[0m", "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg"),
    *("\ufeff", "مرحبا بالعالم", "👩\u200d👩\u200d👧 🇫🇷", "e\u0301" * 20, "\u202eabc", "\ufffe", "漢字" * 300),
    *("a" * 5000, "(" * 500, "Go. " * 700, "\U0010ffff"),
]


def test_as_many_lines_come_out_as_went_in_whatever_they_hold(run, tmp_path, capfd):
    (tmp_path / "in.txt").write_bytes("\r\n".join([*STRANGE, "Go."]).encode())
    arguments = ["translate", str(run), str(tmp_path / "in.txt"), "--beam-size", "1"]
    assert cli.main(arguments) == 0
    lines = capfd.readouterr().out.split("\n")
    assert len(lines) == len(STRANGE) + 2 and not lines.pop()
    assert lines == [each for line in lines for each in line.splitlines() or [""]]  # by any rule
    alone = Translator.load(run).translate(["Go.", *STRANGE[:8]], beam_size=1)
    assert [lines[-1], *lines[:8]] == alone
    assert cli.main([*arguments, "--json"]) == 0
    found = [json.loads(line) for line in capfd.readouterr().out.split("\n")[:-1]]
    assert [each["source"] for each in found] == [*STRANGE, "Go."]
    assert [each["translations"][0]["text"] for each in found] == lines
    assert [each["line"] for each in found] == list(range(1, len(found) + 1))


def test_translations_that_look_wrong_are_told(run, tmp_path, capfd):
    (tmp_path / "in.txt").write_text("Go.\n\nCome here.\n")
    arguments = ["translate", str(run), str(tmp_path / "in.txt"), "--min-length", "30", "--max-length-factor", "0"]
    assert cli.main([*arguments, "--max-length-offset", "30", "--json"]) == 0
    printed = capfd.readouterr()
    warnings = [json.loads(line)["translations"][0]["warnings"] for line in printed.out.splitlines()]
    assert "cut" in warnings[0] and "cut" in warnings[2] and not warnings[1]
    assert "2 of the translations look wrong" in printed.err and "(lines 1, 3;" in printed.err


def test_down_a_pipe_each_line_is_answered_as_it_comes(run):
    with subprocess.Popen(
        [sys.executable, "-m", "mt", "translate", str(run)], stdin=-1, stdout=-1, stderr=-1, bufsize=0
    ) as process:
        answers = []
        for line in (b"Go.\n", b"\xff\xfe\n", b"Come here.\r\n"):
            process.stdin.write(line)
            answers.append(process.stdout.readline().decode())
        process.stdin.close()
        assert process.stdout.read() == b""
        said = process.stderr.read().decode()
    assert process.returncode == 0 and "standard input, line 2: not valid UTF-8" in said and "U+FFFD" in said
    assert [each.rstrip("\n") for each in answers] == Translator.load(run).translate(
        ["Go.", "\ufffd\ufffd", "Come here."]
    )


def test_on_a_terminal_it_prompts_and_remembers(run, tmp_path, monkeypatch):
    pty = pytest.importorskip("pty")
    monkeypatch.setenv("MT_CACHE", str(tmp_path))
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "mt", "translate", str(run)]
    shown = b""
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        for prompts, typed in enumerate((b"Go.\n", b"\x04"), 1):
            while shown.count(b"> ") < prompts and select.select([ours], [], [], 120)[0]:
                shown += os.read(ours, 1 << 12)
            os.write(ours, typed)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(60)
        process.kill()
    os.close(ours)
    lines = shown.decode().replace("\r", "").splitlines()
    assert process.returncode == 0 and any("Ctrl-D ends" in line for line in lines)
    assert Translator.load(run).translate(["Go."])[0] in lines
    assert (tmp_path / "history").read_text() == "Go.\n"


def test_what_is_not_utf8_is_refused_before_anything_is_translated(run, tmp_path, capfd):
    (tmp_path / "in.txt").write_bytes(b"Go.\n" * 3000 + b"\xff\n")
    assert "in.txt, line 3001: not valid UTF-8" in _answer(capfd, ["translate", str(run), str(tmp_path / "in.txt")])
    with (tmp_path / "in.txt").open("rb") as file:
        done = subprocess.run([sys.executable, "-m", "mt", "translate", str(run)], stdin=file, capture_output=True)
    assert done.returncode == 2 and not done.stdout and b"standard input, line 3001: not valid" in done.stderr
    assert cli.main(["translate", str(run), str(tmp_path / "in.txt"), "--invalid", "replace"]) == 0
    printed = capfd.readouterr()
    assert printed.out.count("\n") == 3001 and "in.txt, line 3001" in printed.err


def test_an_ensemble_with_itself_is_itself_and_one_of_strangers_refused(run, tmp_path, capsys):
    (tmp_path / "text").write_text("Go.\nHe is here.\n")
    words = ["translate", str(run), str(tmp_path / "text"), "--checkpoint", "6", "--n-best", "2"]
    for together in ([], ["--ensemble", f"{run}@6"]):
        assert cli.main([*words, *together]) == 0
    alone, joint = np.array_split(capsys.readouterr().out.splitlines(), 2)
    for one, other in zip(alone, joint):
        assert one.split("\t")[::3] == other.split("\t")[::3]
        assert float(one.split("\t")[2]) == pytest.approx(float(other.split("\t")[2]), abs=1e-4)
    assert "different vocabularies" in _answer(capsys, [*words[:3], "--ensemble", "en_fr_small"])
    assert "take best, last or one of" in _answer(capsys, [*words, "--ensemble", f"{run}@77"])


def test_threads_share_a_translator(run):
    sources = [source for source, _ in shipped_pairs("test", 40)]
    expected = Translator.load(run).translate(sources)
    shared, found = Translator.load(run), {}
    threads = [
        threading.Thread(target=lambda start=start: found.update({start: shared.translate(sources[start:])}))
        for start in (0, 3, 20, 39)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {start: expected[start:] for start in (0, 3, 20, 39)}


def test_what_the_vocabulary_has_nothing_of_stays_as_it_is(run):
    assert Translator.load(run).translate(["\u2581", "\u200b", " \x1c"]) == ["\u2581", "\u200b", ""]


def test_control_characters_are_spaces(run):
    spaced, *controlled = Translator.load(run).translate(["I am here.", "I\0am here.", "I am\x85here."])
    assert controlled == [spaced, spaced]


def test_sigterm_leaves_nothing_half_written(run, tmp_path, monkeypatch, capsys):
    (tmp_path / "in.txt").write_text("Go.\n")
    monkeypatch.setattr(Translator, "n_best", lambda *arguments, **more: os.kill(os.getpid(), signal.SIGTERM))
    before = signal.getsignal(signal.SIGTERM)
    assert cli.main(["translate", str(run), str(tmp_path / "in.txt"), "--output", str(tmp_path / "out.txt")]) == 143
    assert [path.name for path in tmp_path.iterdir()] == ["in.txt"] and "mt: terminated" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGTERM) is before


def test_half_a_surrogate_pair_is_no_character(run):
    translator = Translator.load(run)
    assert translator.translate(["\ud800 Go."]) == translator.translate(["\ufffd Go."])


def test_long_lines_are_translated_whole(run):
    translator = Translator.load(run)
    sentence = "I do not know what you want me to do."
    one, many = translator.translate([sentence, " ".join([sentence] * 40)], min_length=3)
    assert len(many) > 10 * len(one)
    assert translator.translate(["x" * 5000])[0]
    sentences = ["I am here.", "The cat sleeps."]
    apart = " ".join(translator.translate(sentences, min_length=3))
    assert translator.translate([" ".join(sentences)], min_length=3, split_sentences=True) == [apart]
    assert translator.translate([" ".join(sentences)], min_length=3) != [apart]


def _answer(capsys, arguments) -> str:
    status = cli.main(arguments)
    captured = capsys.readouterr()
    assert status == 2
    assert "Traceback" not in captured.err and captured.out == ""
    assert captured.err.strip().splitlines()[-1].startswith("mt: error: ")
    return captured.err.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["trian"], "did you mean train"),
        (["train", "configs/tatoeba_en_fr_tin.py", "--workdir", "x"], "no such config file .did you mean"),
        (["train", "--workdir", "x"], "name a config file"),
        (["translate", "nowhere"], "nowhere: no such folder"),
        (["evaluate", "nowhere"], "nowhere: no such folder"),
        (["train", CONFIG, "--workdir", "{tmp}/x", "--data.train", "nowhere.tsv"], "data.dev: name a corpus"),
        (["train", CONFIG, "--workdir", "{tmp}/x", "--data.train", "./nowhere"], "nowhere.*no such file or folder"),
        (["train", CONFIG, "--workdir", "{tmp}/x", "--data.train", "tatoeba_en_f"], "did you mean tatoeba_en_fr"),
        (["train", CONFIG, "--workdir", "{tmp}/x", "--data.train", "{tmp}/uneven"], "has 2 lines and .* has 1"),
        (["train", CONFIG, "--workdir", "{tmp}/x", "--data.train", "{tmp}/empty"], "empty; there is nothing"),
        (["train", CONFIG, "--workdir", "{tmp}/x", "--data.train", "{tmp}/latin"], "train.en, line 1: not valid UTF-8"),
        (["train", CONFIG, "--workdir", "{tmp}/uneven"], "exists and is not a run"),
    ],
)
def test_bad_input_is_answered_with_one_sentence(arguments, message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    for name, english, french in (
        ("uneven", b"a\nb\n", b"a\n"),
        ("empty", b"", b""),
        ("latin", "é\n".encode("latin-1"), b"e\n"),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "train.en").write_bytes(english)
        (tmp_path / name / "train.fr").write_bytes(french)
    found = _answer(capsys, [argument.format(tmp=tmp_path) for argument in arguments])
    assert re.search(message, found), found
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("option", "hint"), [("--model.num-layer", "--model.num-layers"), ("--trainin.steps", "--training.steps")]
)
def test_a_misspelt_field_is_answered_with_the_right_one(option, hint, tmp_path, capsys):
    found = _answer(capsys, ["train", CONFIG, "--workdir", str(tmp_path / "x"), option, "4"])
    assert f"{option}, 4 (did you mean {hint}?)" in found


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("model.num-layers", "six", "--model.num-layers: not a whole number: 'six'"),
        ("model.num-heads", "3", "model.num_heads: 3 does not divide model.model_dim 128"),
        ("model.num-layers", "-1", "model.num_layers: -1 is not positive"),
        ("model.model-dim", "0", "model.model_dim: 0 is not positive"),
        ("model.model-dim", "4000000000", "model.model_dim: 4000000000 is more than 10,000,000"),
        ("model.num-layers", "10000000", "model.num_layers: 10000000 is more than 1,000"),
        ("optimizer.frozen", "encodr_*", "no parameter's name is like 'encodr_*'"),
        ("model.norm", "pro", "invalid choice 'pro' for argument '--model.norm'"),
        ("optimizer.learning-rate", "nan", "optimizer.learning_rate: nan is not a positive number"),
        ("optimizer.clip-norm", "inf", "optimizer.clip_norm: inf is not a number from 0 on"),
        ("optimizer.epsilon", "0", "optimizer.epsilon: 0.0 is not a positive number"),
        ("data.filter.max-ratio", "nan", "data.filter.max_ratio: nan is not a number from 1 on"),
        ("data.train-weights", "0", "data.train_weights: every weight must be positive"),
        ("tokenizer.training-lines", "0", "tokenizer.training_lines: 0 is not positive"),
        ("data.train", "a.en,", "a file's name is missing beside the comma"),
    ],
)
def test_a_value_out_of_range_is_answered_with_its_field(field, value, message, tmp_path, capsys):
    arguments = ["train", CONFIG, "--workdir", str(tmp_path / "x"), "--data.dev", str(tmp_path), f"--{field}", value]
    (tmp_path / "dev.en").write_text("a\n")
    (tmp_path / "dev.fr").write_text("b\n")
    assert message in _answer(capsys, arguments)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return RunConfig(seed='one')", "seed must be of type int, not 'one'"),
        ("return RunConfig(data=DataConfig(train='my.tsv'))", "data.train must be a list, not 'my.tsv'"),
        ("raise SystemExit(0)", "SystemExit"),
        ("return 1 +", "SyntaxError"),
        ("return None", "has no function get_config"),
    ],
)
def test_a_config_file_that_is_wrong_is_named(body, message, tmp_path, capsys):
    path = tmp_path / "mine.py"
    path.write_text(
        f"from mt.config import RunConfig\nfrom mt.data.pipeline import DataConfig\ndef get_config():\n    {body}\n"
    )
    found = _answer(capsys, ["train", str(path), "--workdir", str(tmp_path / "x")])
    assert f"{path}: " in found and message in found


def test_a_run_refuses_another_config_and_another_tokenizer(run, corpus_folder, tmp_path, capsys):
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    arguments = [*tiny_run_arguments(corpus_folder, 6), "--workdir", str(copy), "--model.ff-dim", "64"]
    assert "model.ff_dim is 32 there and 64 here" in _answer(capsys, arguments)
    (copy / "tokenizer.model").write_bytes((run / "tokenizer.model").read_bytes() + b"\0")
    assert "tokenizer" in _answer(capsys, ["translate", str(copy)])
    (copy / "tokenizer.model").unlink()
    assert "tokenizer.model: cannot read" in _answer(capsys, ["translate", str(copy)])


def test_bad_requests_of_a_good_run(run, corpus_folder, tmp_path, capsys):
    latin = tmp_path / "latin.txt"
    latin.write_bytes("ok\n\xe9t\xe9\n".encode("latin-1"))
    assert "latin.txt, line 2: not valid UTF-8" in _answer(capsys, ["translate", str(run), str(latin)])
    assert "no such file" in _answer(capsys, ["translate", str(run), str(tmp_path / "no.txt")])
    assert "no folder" in _answer(capsys, ["translate", str(run), str(latin), "--output", str(tmp_path / "a" / "b")])
    assert "n best: 9 is not between 1 and" in _answer(
        capsys, ["translate", str(run), f"{corpus_folder}/test.en", "--n-best", "9"]
    )
    for size in ("0", "1000000000"):
        answer = _answer(capsys, ["translate", str(run), f"{corpus_folder}/test.en", "--beam-size", size])
        assert f"beam_size: {size}" in answer
    for option in ("--length-penalty", "--max-length-factor"):
        for value in ("nan", "inf"):
            found = _answer(capsys, ["translate", str(run), f"{corpus_folder}/test.en", option, value])
            assert "is not a number from 0 on" in found
    assert "not a file" in _answer(capsys, ["translate", str(run), str(latin), "--output", str(tmp_path)])
    assert "take best, last or one of" in _answer(capsys, ["translate", str(run), "--checkpoint", "77"])
    short = ["evaluate", str(run), "--source", f"{corpus_folder}/test.en", "--reference", f"{corpus_folder}/train.fr"]
    assert "has 40 lines and" in _answer(capsys, short)
    assert "give both files" in _answer(capsys, ["evaluate", str(run), "--source", f"{corpus_folder}/test.en"])
    both = ["--source", f"{corpus_folder}/test.en", "--reference", f"{corpus_folder}/test.fr", "--split", "dev"]
    assert "leave out either" in _answer(capsys, ["evaluate", str(run), *both])
    assert "leave out either" in _answer(capsys, ["evaluate", str(run), *both[:-2], "--corpus", "tatoeba_en_fr"])
    for option in ("--json", "--translations"):
        assert "no folder" in _answer(capsys, ["evaluate", str(run), option, str(tmp_path / "a" / "b")])


def test_too_little_memory_is_said(run, corpus_folder, capsys, monkeypatch):
    monkeypatch.setattr(Translator, "n_best", lambda *_, **__: jnp.zeros(1 << 47, jnp.int8).block_until_ready())
    found = _answer(capsys, ["translate", str(run), f"{corpus_folder}/test.en"])
    assert "out of memory" in found and "take a smaller beam" in found


def test_a_folder_that_cannot_be_written_to_is_named_before_any_work(run, corpus_folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    words = ["translate", str(run), str(corpus_folder / "dev.en"), "--output", str(tmp_path / "out")]
    before = jax.config.jax_compilation_cache_dir
    jax.config.update("jax_compilation_cache_dir", None)
    try:
        assert cli.main(words) == 2 and f"{tmp_path} cannot be written to" in capsys.readouterr().err
        assert jax.config.jax_compilation_cache_dir is None  # nor is anything kept there that is compiled
    finally:
        jax.config.update("jax_compilation_cache_dir", before)


def test_an_output_may_not_be_an_input(run, corpus_folder, tmp_path, capsys):
    mine = tmp_path / "mine.en"
    mine.write_text("Go.\n")
    assert "is an input too" in _answer(capsys, ["translate", str(run), str(mine), "--output", str(mine)])
    same = ["--json", str(tmp_path / "out"), "--translations", str(tmp_path / "out")]
    assert "two of them are one file" in _answer(capsys, ["evaluate", str(run), *same])
    assert mine.read_text() == "Go.\n" and not (tmp_path / "out").exists()


def test_one_training_at_a_time_works_in_a_folder(run, corpus_folder, capsys):
    before = sorted(run.rglob("*"))
    with locked(run):
        arguments = [*tiny_run_arguments(corpus_folder, 6), "--workdir", str(run)]
        assert "another process is at work there" in _answer(capsys, arguments)
    assert sorted(run.rglob("*")) == before


def _flip(folder):
    """A bit of each file, which compression does not notice; what orbax has written twice it reads once."""
    for path in folder.rglob("*"):
        content = bytearray(path.read_bytes()) if path.is_file() else b""
        if content:
            content[len(content) // 2] ^= 1
            path.write_bytes(content)


def _empty(folder):
    for path in folder.rglob("*"):
        if path.is_file():
            path.write_bytes(b"")


def test_damaged_metrics_and_a_damaged_position_are_noticed(run, corpus_folder, tmp_path, capsys):
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    (copy / "checkpoints" / "3" / "metrics" / "metrics").write_text('{"bleu": 0.')
    position = copy / "checkpoints" / "6" / "position" / "metadata"
    position.write_text(position.read_text().replace("[0, 0, ", "[0, 0, 1"))
    assert cli.main([*tiny_run_arguments(corpus_folder, 6), "--workdir", str(copy)]) == 0
    said = capsys.readouterr().err
    assert "checkpoints/3: its metrics are damaged" in said and "the checkpoint of step 6 is damaged" in said


@pytest.mark.parametrize("damage", [_flip, _empty, shutil.rmtree])
def test_a_damaged_checkpoint_is_named_and_training_goes_on_from_the_one_before(
    run, corpus_folder, tmp_path, capsys, damage
):
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    resume = [*tiny_run_arguments(corpus_folder, 6), "--workdir", str(copy)]
    damage(copy / "checkpoints" / "6" / "params")
    assert "checkpoints/6: damaged" in _answer(capsys, ["translate", str(copy), "--checkpoint", "last"])
    assert cli.main(resume) == 0
    said = capsys.readouterr().err
    assert f"the checkpoint of step 6 is damaged: it is in {copy}/damaged-6 now" in said
    assert "going on from step 3" in said and (copy / "damaged-6" / "optimizer_state").is_dir()
    whole, mended = (Translator.load(folder, checkpoint="last").params for folder in (run, copy))
    jax.tree.map(np.testing.assert_array_equal, whole, mended)
    for step in ("3", "6"):
        damage(copy / "checkpoints" / step / "params")
    shutil.rmtree(copy / "checkpoints" / "6")
    assert "checkpoints/3: damaged" in _answer(capsys, resume) and (copy / "checkpoints" / "3").is_dir()


def test_bad_calls_from_python(run):
    translator = Translator.load(run)
    for no_list in ("Go.", b"Go.", {"Go.": 1}):
        with pytest.raises(UserError, match="takes a list"):
            translator.translate(no_list)
    with pytest.raises(UserError, match="did you mean beam_size"):
        translator.translate(["Go."], beamsize=2)
    for search, said in (({"beam_size": 2.5}, "2.5 is not of type int"), ({"length_penalty": "1"}, "of type float")):
        with pytest.raises(UserError, match=said):
            translator.translate(["Go."], **search)
    with pytest.raises(UserError, match="text 1: NoneType, not str"):
        translator.translate(["Go.", None])


def test_a_dash_is_standard_input(run):
    dash, file = pathlib.Path("-"), pathlib.Path("file")
    assert run_and_files(run, (dash,)) == (run, ())
    assert run_and_files(dash, ()) == run_and_files(None, ()) == (pathlib.Path("en_fr_small"), ())
    for words in ((dash, (file,)), (run, (dash, file))):
        with pytest.raises(UserError, match="standard input is read by itself"):
            run_and_files(*words)


def test_of_two_that_make_a_folder_at_once_one_is_told(tmp_path):
    for or_another in (False, True):
        told = contextlib.nullcontext() if or_another else pytest.raises(UserError, match="by another process")
        with told, atomic_folder(tmp_path / "out", or_another) as folder:
            (folder / "file").touch()
            (tmp_path / "out").mkdir(exist_ok=True)
            (tmp_path / "out" / "other").touch()
    assert [path.name for path in tmp_path.iterdir()] == ["out"] and not (tmp_path / "out" / "file").exists()


def test_the_minimum_length_raises_the_maximum():
    config = SearchConfig(min_length=40, max_length_factor=2.0, max_length_offset=1)
    assert max_target_length(3, config) == 40
    assert max_target_length(30, config) == 61


def test_what_may_change_is_kept_and_the_rest_refused(run, corpus_folder, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    arguments = [*tiny_run_arguments(corpus_folder, 6), "--workdir", str(copy), "--search.beam-size", "2"]
    assert cli.main(arguments) == 0
    assert Translator.load(copy).search.beam_size == 2
    assert Translator.load(run).search.beam_size == 4


def test_a_dev_set_that_does_not_fit_is_refused_before_training(corpus_folder, tmp_path, capsys):
    dev = tmp_path / "dev.tsv"
    dev.write_text(f"{'word ' * 90}\tmot\n")
    arguments = [*tiny_run_arguments(corpus_folder, 6), "--workdir", str(tmp_path / "x"), "--data.dev", str(dev)]
    assert "dev.tsv' has no dev pair to use" in _answer(capsys, arguments)


def test_a_start_that_saved_nothing_blocks_no_other(run, corpus_folder, tmp_path):
    begun = tmp_path / "begun"
    begun.mkdir()
    shutil.copy(run / "config.json", begun)
    arguments = tiny_run_arguments(corpus_folder, 1)
    assert cli.main([*arguments, "--workdir", str(begun), "--tokenizer.vocab-size", "380"]) == 0


def test_a_damaged_config_is_named(run, tmp_path, capsys):
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    for damaged in ("", "{}", '{"run": 3}', "[]"):
        (copy / "config.json").write_text(damaged)
        for verb in ("translate", "evaluate"):
            assert "config.json: not a run's config, or damaged" in _answer(capsys, [verb, str(copy)])


def test_help_fits_a_screen(capsys):
    assert cli.main(["--help"]) == 0
    printed = capsys.readouterr().out
    assert all(verb in printed for verb in cli.VERBS) and len(printed.splitlines()) < 24
    for verb in cli.VERBS:
        with pytest.raises(SystemExit) as ended:
            cli.main([verb, "--help"])
        assert ended.value.code == 0
    capsys.readouterr()
    with pytest.raises(SystemExit):
        cli.main(["train", CONFIG, "--help"])
    assert "(default: 8000)" in capsys.readouterr().out  # the config's vocabulary, not any config's


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_translations_as_training_data(run, tmp_path, capsys, direction):
    (tmp_path / "in.txt").write_text("I love\tyou.\n\nGood morning.\n  \n", "utf-8")
    arguments = ["translate", str(run), str(tmp_path / "in.txt"), "--as-training-data", direction, "--tag", "<BT>"]
    assert cli.main(arguments) == 0
    lines = capsys.readouterr().out.split("\n")[:-1]
    texts = ["I love you.", "Good morning."]
    expected = zip(texts, Translator.load(run).translate(texts))
    if direction == "backward":
        expected = (pair[::-1] for pair in expected)
    assert lines == [f"<BT> {source}\t{target}" for source, target in expected if source and target]
