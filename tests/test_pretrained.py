"""The model that ships: whole, small, found by its name or by none, and as good as its card says."""

import json
import subprocess
import sys

import pytest

from mt import Translator, cli, evaluation, manifest, pretrained, trained
from mt.config import RunConfig
from mt.initialization import adopt
from tests.conftest import shipped_pairs

FOLDER = pretrained.locate(pretrained.DEFAULT)


@pytest.fixture(scope="module")
def translator() -> Translator:
    return Translator.load()


def test_it_is_whole_and_small():
    about = manifest.verify(FOLDER)
    files = {path.relative_to(FOLDER).as_posix(): path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()}
    assert set(files) == {*about["files"], manifest.MANIFEST} and sum(files.values()) <= 12_000_000
    card = (FOLDER / "README.md").read_text("utf-8")
    for said in ("Tatoeba", "Open Government Licence", "| BLEU |", "| chrF |", "What it is bad at"):
        assert said in card


def test_it_is_as_good_as_its_card_says(translator):
    """The card's BLEU is of 2,000 sentences; 200 of them are within a few points of it."""
    pairs = shipped_pairs("test", 200)
    translations = translator.translate([source for source, _ in pairs])
    assert evaluation.score_by("BLEU", translations, [target for _, target in pairs]) > 40


def test_a_name_stands_for_it_where_no_folder_is_of_that_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert pretrained.is_shipped(pretrained.locate("en_fr_small"))
    (tmp_path / "en_fr_small").mkdir()
    assert not pretrained.is_shipped(pretrained.locate("en_fr_small"))
    assert adopt(RunConfig(start_from=str(FOLDER))).model.model_dim == trained.load(FOLDER).model.config.model_dim


def test_without_a_run_it_translates_and_says_so(translator, tmp_path, capsys):
    done = subprocess.run(
        [sys.executable, "-m", "mt", "translate"], input="Hello, how are you?\n", capture_output=True, text=True
    )
    assert done.returncode == 0 and "taking en_fr_small" in done.stderr
    assert [done.stdout.rstrip("\n")] == translator.translate(["Hello, how are you?"])
    (tmp_path / "letter.txt").write_text("Thank you.\n")
    assert cli.main(["translate", str(tmp_path / "letter.txt")]) == 0
    printed = capsys.readouterr()
    assert printed.out == "Merci.\n" and "taking en_fr_small" in printed.err


def test_it_is_evaluated_without_being_written_to(tmp_path, capsys):
    for name, line in (("a.en", "Thank you."), ("a.fr", "Merci.")):
        (tmp_path / name).write_text(f"{line}\n")
    before = sorted(FOLDER.rglob("*"))
    files = ["--source", str(tmp_path / "a.en"), "--reference", str(tmp_path / "a.fr")]
    assert cli.main(["evaluate", "en_fr_small", *files, "--json", str(tmp_path / "found.json")]) == 0
    assert json.loads((tmp_path / "found.json").read_text())["metrics"]["chrF"]["score"] == 100
    assert cli.main(["evaluate", "en_fr_small", *files]) == 0
    assert sorted(FOLDER.rglob("*")) == before and "written to" in capsys.readouterr().err
