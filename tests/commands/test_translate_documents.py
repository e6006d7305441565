"""A translator of documents from the command line: trained, gone on with, evaluated, and as many lines out as in."""

import json
import pathlib

import pytest

from mt import Translator, cli
from tests.conftest import shipped_pairs
from tests.trainings import REMEMBERING, SMALL, check_gone_on_with_exactly, train_config

pytestmark = pytest.mark.thorough
FIELDS = SMALL | REMEMBERING | {"training.dev-sentences": 8, "training.dev-search": "greedy", "data.train-weights": 1}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("documents")
    for split, count in (("train", 300), ("dev", 20), ("test", 12)):
        for language, lines in zip(("en", "fr"), zip(*shipped_pairs(split, count))):
            documents = ["".join(f"{line}\n" for line in lines[start : start + 6]) for start in range(0, count, 6)]
            (folder / f"{split}.{language}").write_text("\n".join(documents))
    return folder


def _train(run, corpus, *options):
    return train_config("documents_en_fr.py", run, FIELDS, "--data.train", str(corpus), *options)


@pytest.fixture(scope="module")
def run(corpus, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "documents"
    assert _train(folder, corpus) == 0
    return folder


def test_it_is_gone_on_with_exactly(run, corpus):
    check_gone_on_with_exactly(run, lambda each: _train(each, corpus), ("params", "carry"))


def test_as_many_lines_come_out_as_went_in(run, tmp_path, capsys):
    text = tmp_path / "text.en"
    text.write_text("I have a cat.\nIt is here.\n\n\nGo.\nIt is here.\n")
    capsys.readouterr()
    assert cli.main(["translate", str(run), str(text), "--documents", "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["line"] for line in lines] == [1, 2, 3, 4, 5, 6]
    assert [bool(line["translations"][0]["text"]) for line in lines] == [True, True, False, False, True, True]
    scores = [line["translations"][0]["log_prob"] for line in lines]
    assert scores[1] != scores[5]  # the same sentence after others
    assert cli.main(["translate", str(run), str(text), "--json"]) == 0
    alone = [json.loads(line)["translations"][0]["log_prob"] for line in capsys.readouterr().out.splitlines()]
    assert alone[1] == alone[5] and alone[0] == pytest.approx(scores[0], abs=1e-4)
    assert cli.main(["translate", str(run), str(text), "--documents", "--stream"]) == 2
    assert "does not go with --documents" in capsys.readouterr().err
    assert cli.main(["translate", "en_fr_small", str(text), "--documents"]) == 2
    assert "en_fr_small reads each line by itself" in capsys.readouterr().err


def test_pairs_are_scored_in_documents(run, corpus, tmp_path, capsys):
    files = [str(corpus / f"dev.{language}") for language in ("en", "fr")]
    found = []
    for options in ([], ["--documents"]):
        capsys.readouterr()
        assert cli.main(["score", str(run), *files, *options]) == 0
        found.append([float(line.split("\t")[1]) for line in capsys.readouterr().out.splitlines()])
    # The first of a document has nothing before it. A blank line parts documents, and does not count as text.
    same = [number for number, (one, other) in enumerate(zip(*found, strict=True)) if abs(one - other) < 1e-4]
    assert same == [0, 7, 14, 21] and len(found[0]) == 23
    assert [number for number, value in enumerate(found[1]) if value == 0] == [6, 13, 20]
    table, sides = tmp_path / "dev.tsv", [pathlib.Path(file).read_text().splitlines() for file in files]
    table.write_text("".join("\t".join(pair).strip() + "\n" for pair in zip(*sides)))
    assert table.read_text().splitlines()[6] == ""
    capsys.readouterr()
    assert cli.main(["score", str(run), str(table), "--documents"]) == 0
    said = capsys.readouterr()
    assert [float(line.split("\t")[1]) for line in said.out.splitlines()] == found[1]
    tokens = Translator.load(run).tokenizers.target.encode([line for line in sides[1] if line])
    assert f"{sum(map(len, tokens)):,} target tokens" in said.err
    assert cli.main(["score", "en_fr_small", *files, "--documents"]) == 2
    assert "en_fr_small reads each sentence by itself" in capsys.readouterr().err


def test_it_is_evaluated_in_documents(run, corpus, tmp_path):
    before = json.loads((run / "evaluation-test.json").read_text())["metrics"]
    assert cli.main(["evaluate", str(run)]) == 0
    assert json.loads((run / "evaluation-test.json").read_text())["metrics"] == before
    assert list(before) == ["BLEU", "chrF", "TER", "document BLEU"]
    found = {}
    for name, options in (("whole", []), ("less", ["--memory-length", "3"])):
        files = ["--source", str(corpus / "test.en"), "--reference", str(corpus / "test.fr")]
        out = tmp_path / name
        assert (
            cli.main(["evaluate", str(run), *files, "--translations", str(out), "--json", f"{out}.json", *options]) == 0
        )
        found[name] = out.read_text().split("\n")
    assert [line == "" for line in found["whole"]] == [number in (6, 13) for number in range(14)]
    assert (
        cli.main(["translate", str(run), str(corpus / "test.en"), "--documents", "--output", str(tmp_path / "o")]) == 0
    )
    assert found["whole"] == (tmp_path / "o").read_text().split("\n") and len(found["less"]) == 14


def test_an_evaluation_says_what_was_remembered(run, corpus, tmp_path, capsys):
    assert cli.main(["evaluate", str(run), "--memory-length", "0", "--translations", str(tmp_path / "alone")]) == 0
    found = json.loads((run / "evaluation-test-memory-0.json").read_text())
    assert found["model"].endswith(", memory 0") and "document BLEU" in found["metrics"]
    lines = [line for line in (corpus / "test.en").read_text().splitlines() if line]
    assert (tmp_path / "alone").read_text().splitlines() == Translator.load(run).translate(lines)
    assert cli.main(["evaluate", str(run), "--memory-length", "-1"]) == 2
    assert "--memory-length: -1 is negative" in capsys.readouterr().err


def test_what_remembers_sentences_needs_their_order(corpus, tmp_path, capsys):
    assert _train(tmp_path / "packed", corpus, "--data.batching.kind", "packing") == 2
    assert "or model.architecture to transformer" in capsys.readouterr().err
