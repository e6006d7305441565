"""Text of one language from the command line: a language model, BERT, infilling, and fusion in a search."""

import json
import math
import re

import pytest

from mt import cli
from tests.conftest import ROOT

SMALL = {"model.num-layers": 1, "model.model-dim": 16, "model.ff-dim": 32, "model.num-heads": 2}
SMALL |= {"training.steps": 4, "training.evaluate-every": 2, "training.log-every": 1}
SMALL |= {"data.batching.batch-tokens": 512}


def _train(config, run, corpus, *options):
    small = [word for name, value in SMALL.items() for word in (f"--{name}", str(value))]
    config = str(ROOT / "configs" / config)
    return cli.main(["train", config, "--workdir", str(run), "--data.train", str(corpus), *small, *options])


def _vocabulary(*symbols):
    return ["--tokenizer.vocab-size", "400", *(["--tokenizer.symbols", *symbols] if symbols else [])]


@pytest.fixture(scope="module")
def language_model(corpus_folder, tmp_path_factory):
    run = tmp_path_factory.mktemp("text") / "gpt"
    assert _train("gpt_fr.py", run, corpus_folder, *_vocabulary()) == 0
    return run


def test_a_language_model_goes_on_with_text_and_finds_it_likely(language_model, corpus_folder, capsys, monkeypatch):
    trained = json.loads((language_model / "evaluation-test.json").read_text())
    capsys.readouterr()
    assert cli.main(["generate", str(language_model), "Tom", "", "--max-tokens", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and lines[0].startswith("Tom")
    assert cli.main(["generate", str(language_model), "Tom", "--max-tokens", "3", "--sample", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["line"] == 1 and found["continuations"][0]["text"].startswith("Tom")
    assert cli.main(["generate", str(language_model), "Tom", "--max-tokens", "3", "--n-best", "2"]) == 0
    assert [line.split("\t")[0] for line in capsys.readouterr().out.splitlines()] == ["1", "1"]

    assert cli.main(["evaluate", str(language_model)]) == 0
    evaluated = json.loads((language_model / "evaluation-test.json").read_text())
    assert evaluated == trained and set(evaluated["metrics"]) == {"perplexity", "bits per character"}
    capsys.readouterr()
    assert cli.main(["score", str(language_model), str(corpus_folder / "test.fr")]) == 0
    captured = capsys.readouterr()
    log_probs = [float(line.split("\t")[1]) for line in captured.out.splitlines()]
    perplexity = evaluated["metrics"]["perplexity"]
    tokens = int(perplexity["signature"].split()[0].replace(",", ""))
    assert math.exp(-math.fsum(log_probs) / tokens) == pytest.approx(perplexity["score"], rel=1e-4)
    assert cli.main(["export", str(language_model), str(language_model.with_name("bundle"))]) == 0
    card = (language_model.with_name("bundle") / "README.md").read_text()
    assert "mt generate bundle" in card and "pipeline_tag: text-generation" in card
    bits = -math.fsum(log_probs) / math.log(2) / len((corpus_folder / "test.fr").read_text())
    assert evaluated["metrics"]["bits per character"]["score"] == pytest.approx(bits, rel=1e-4)


def test_pretraining_is_gone_on_with_exactly(language_model, corpus_folder, tmp_path):
    stopped, options = tmp_path / "stopped", _vocabulary()
    # As if it had been killed after its second step: the run has the config of four, and the checkpoint of two.
    assert _train("gpt_fr.py", stopped, corpus_folder, *options) == 0
    newest = sorted((stopped / "checkpoints").iterdir(), key=lambda path: int(path.name))[-1]
    first = (stopped / "metrics.jsonl").read_text().splitlines()
    for path in sorted(newest.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    newest.rmdir()
    assert _train("gpt_fr.py", stopped, corpus_folder, *options) == 0
    again = [json.loads(line) for line in (stopped / "metrics.jsonl").read_text().splitlines()]
    losses = [(each["step"], each["train/loss"]) for each in again if "train/loss" in each]
    assert losses[4:] == losses[2:4] and len(first) < len(again)


@pytest.mark.parametrize("options", [(), ("next",)], ids=["text", "next sentence"])
def test_bert_learns_from_text(options, corpus_folder, tmp_path, capsys):
    more = []
    if options:
        more = ["--data.source-language", "en", "--masking.next-sentence", "5", "--model.max-positions", "128"]
    run = tmp_path / "bert"
    assert _train("bert_en.py", run, corpus_folder, *_vocabulary(), *more) == 0
    assert json.loads((run / "evaluation-test.json").read_text())["metrics"]["perplexity"]["score"] > 1
    metrics = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert any("train/next_sentence" in each for each in metrics) == bool(options)
    capsys.readouterr()
    assert cli.main(["translate", str(run)]) == 2
    assert "was trained on text of one language, and does not translate\n" in capsys.readouterr().err
    assert cli.main(["export", str(run), str(tmp_path / "bundle")]) == 0
    assert "pipeline_tag: fill-mask" in (tmp_path / "bundle" / "README.md").read_text()
    assert cli.main(["export", str(run), str(tmp_path / "programs"), "--format", "stablehlo"]) == 2


def test_infilling_trains_a_translator_that_another_run_starts_from(corpus_folder, tmp_path, capsys):
    run, tiny = tmp_path / "infilling", "tatoeba_en_fr_tiny.py"
    text = ["--data.source-language", "", "--data.infilling.share", "0.35", "--training.best-by", "loss"]
    assert _train(tiny, run, corpus_folder, *_vocabulary(), *text) == 0
    assert cli.main(["evaluate", str(run)]) == 2
    assert _train(tiny, tmp_path / "tuned", corpus_folder, "--start-from", str(run)) == 0
    assert "starting from" in capsys.readouterr().err


def test_a_language_model_has_its_say_in_a_search(language_model, corpus_folder, tmp_path, capsys):
    run = tmp_path / "run"
    vocabulary = ["--tokenizer.path", str(language_model / "tokenizer.model")]
    assert _train("tatoeba_en_fr_tiny.py", run, corpus_folder, *vocabulary) == 0
    source = tmp_path / "source"
    source.write_text("Hello.\n")
    outputs = []
    for options in ([], ["--language-model", str(language_model), "--language-model-weight", "0"]):
        capsys.readouterr()
        assert cli.main(["translate", str(run), str(source), "--n-best", "2", *options]) == 0
        outputs.append(capsys.readouterr().out.splitlines())
    assert [line.split("\t")[3] for line in outputs[0]] == [line.split("\t")[3] for line in outputs[1]]
    fused = ["--language-model", str(language_model), "--json"]
    assert cli.main(["translate", str(run), str(source), *fused]) == 0
    best = json.loads(capsys.readouterr().out)["translations"][0]
    pair = tmp_path / "pair.tsv"
    pair.write_text(f"Hello.\t{best['text']}\n")
    assert cli.main(["score", str(run), str(pair), *fused]) == 0
    scored = json.loads(capsys.readouterr().out)
    written = scored["log_prob"] == pytest.approx(best["log_prob"], abs=1e-3)
    assert written or len(scored["tokens"]) != len(best["text"])  # other pieces may write the same text


def test_a_translator_starts_from_bert_and_from_gpt(language_model, corpus_folder, tmp_path, capsys):
    vocabulary = ["--tokenizer.path", str(tmp_path / "bert" / "tokenizer.model")]
    alike = ["--model.norm-epsilon", "1e-6", "--model.activation", "gelu"]
    assert _train("bert_en.py", tmp_path / "bert", corpus_folder, *_vocabulary(), *alike) == 0
    assert _train("gpt_fr.py", tmp_path / "gpt", corpus_folder, *vocabulary, *alike) == 0
    parts = ["--encoder-from", str(tmp_path / "bert"), "--decoder-from", str(tmp_path / "gpt")]
    capsys.readouterr()
    run, tiny = tmp_path / "run", "tatoeba_en_fr_tiny.py"
    assert _train(tiny, run, corpus_folder, *parts) == 0
    assert f"starting from the encoder of {tmp_path / 'bert'} and the decoder of" in capsys.readouterr().err
    model = json.loads((run / "config.json").read_text())["run"]["model"]
    assert (model["norm"], model["decoder_norm"], model["source_norm"]) == ("post", "pre", True)
    (tmp_path / "bert").rename(tmp_path / "elsewhere")  # what it began with is not needed any more
    assert _train(tiny, run, corpus_folder, *parts) == 0
    assert cli.main(["export", str(run), str(tmp_path / "bundle"), "--license", "cc0-1.0"]) == 0
    assert str(tmp_path) not in (tmp_path / "bundle" / "config.json").read_text()
    assert _train(tiny, tmp_path / "other", corpus_folder, "--encoder-from", str(language_model)) == 2
    assert "is a gpt, which is no encoder" in capsys.readouterr().err
    mixed = ["--encoder-from", str(tmp_path / "elsewhere"), "--decoder-from", str(language_model)]
    assert _train(tiny, tmp_path / "mixed", corpus_folder, *mixed, *alike[2:]) == 2
    assert re.search("another vocabulary|train them with the same", capsys.readouterr().err)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["generate", "{lm}", "a", "--max-tokens", "0"], "--max-tokens 0: is not positive"),
        (["generate", "{lm}", "a", "--top-k", "3"], "--top-k: goes with --sample; leave it out"),
        (["generate", "en_fr_small", "a"], "is no language model"),
        (["generate", "{lm}", "Tom " * 90], "text 1: has .* learnt from no more than 64"),
        (["translate", "{lm}"], "does not translate; mt generate goes on with text by it"),
        (["translate", "en_fr_small", "--language-model", "{lm}"], "have different vocabularies"),
        (["translate", "en_fr_small", "--language-model", "en_fr_small"], "is no language model"),
        (["translate", "--language-model-weight", "1"], "goes with --language-model"),
        (["evaluate", "{lm}", "--moses"], "--moses: .* is a language model"),
    ],
)
def test_what_cannot_be_is_one_sentence(arguments, message, language_model, capsys):
    assert cli.main([argument.format(lm=language_model) for argument in arguments]) == 2
    assert re.search(message, capsys.readouterr().err)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--data.source-language", ""], "data.source_language: is empty, but transformer translates"),
        (["--data.source-language", "fr"], "training.best_by: there is no BLEU where nothing is translated"),
        (["--masking.share", "0.3"], "masking: nothing is masked for transformer"),
    ],
)
def test_a_translators_config_is_not_one_of_text(options, message, corpus_folder, tmp_path, capsys):
    assert _train("tatoeba_en_fr_tiny.py", tmp_path / "run", corpus_folder, *options) == 2
    assert message in capsys.readouterr().err
