"""A decoder alone and a Reformer go wherever a model does, and a decoder alone says so where it cannot."""

import pytest

from mt import Translator, cli
from mt.models.gpt import GptConfig
from mt.models.reformer import ReformerConfig
from tests.exporting.conftest import make_run
from tests.exporting.test_stablehlo import LINES, run_script

SIZES = dict(num_layers=1, model_dim=32, ff_dim=32, num_heads=2, max_positions=160)


@pytest.fixture(scope="module")
def gpt_run(tmp_path_factory, tokenizers):
    return make_run(tmp_path_factory.mktemp("gpt") / "run", tokenizers, GptConfig(**SIZES))


@pytest.fixture(scope="module")
def reformer_run(tmp_path_factory, tokenizers):
    model = ReformerConfig(**SIZES, decoder_layers=2, lsh_chunk=4, local_chunk=4, rounds=2)
    return make_run(tmp_path_factory.mktemp("reformer") / "run", tokenizers, model)


@pytest.mark.parametrize("made", ["gpt_run", "reformer_run"])
def test_it_is_translated_with_and_exported(made, request, tmp_path):
    run = request.getfixturevalue(made)
    expected = Translator.load(run).translate(LINES)
    assert cli.main(["export", str(run), str(tmp_path / "bundle")]) == 0
    assert Translator.load(tmp_path / "bundle").translate(LINES) == expected
    assert "layers, 32 wide)" in (tmp_path / "bundle" / "README.md").read_text("utf-8")
    assert cli.main(["export", str(run), str(tmp_path / "programs"), "--format", "stablehlo"]) == 0
    assert [line[0] for line in run_script(tmp_path / "programs")] == expected
    [score], [best] = Translator.load(run).score(LINES[:1], expected[:1]), expected[:1]
    assert score is not None and best


def test_what_asks_for_an_encoder_is_refused(gpt_run, tmp_path, capsys):
    (tmp_path / "pairs.tsv").write_text("Go.\tVa.\n")
    for words, said in (
        (["align", str(gpt_run), str(tmp_path / "pairs.tsv")], "no encoder-decoder attention"),
        (["translate", str(gpt_run), str(tmp_path / "pairs.tsv"), "--coverage-penalty", "0.2"], "no encoder-decoder"),
        (["export", str(gpt_run), str(tmp_path / "a"), "--format", "marian"], "is a gpt"),
        (["export", str(gpt_run), str(tmp_path / "b"), "--format", "ctranslate2"], "is a gpt"),
    ):
        assert cli.main(words) == 2 and said in capsys.readouterr().err


def test_its_attention_is_shown(gpt_run, tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    out = str(tmp_path / "look")
    assert cli.main(["show", "attention", "Go there.", "--run", str(gpt_run), "--output", out]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["look-self.png", "look.html"]
