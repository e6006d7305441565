"""Text of one language from the command line: a language model, BERT, infilling, and fusion in a search."""

import json
import math
import re
import shutil

import pytest

from mt import Translator, cli
from mt.data.tokenizer import Tokenizer, TokenizerConfig
from tests.conftest import shipped_pairs
from tests.trainings import SMALL, train_config

pytestmark = pytest.mark.thorough

FIELDS = SMALL | {"training.steps": 4, "training.evaluate-every": 2}


def _train(config, run, corpus, *options):
    return train_config(config, run, FIELDS, "--data.train", str(corpus), *options)


def _vocabulary(*symbols):
    return ["--tokenizer.vocab-size", "400", *(["--tokenizer.symbols", *symbols] if symbols else [])]


# So that a translator can be made of them.
ALIKE = ["--model.norm-epsilon", "1e-6", "--model.activation", "gelu"]


@pytest.fixture(scope="module")
def bert(corpus_folder, tmp_path_factory):
    run = tmp_path_factory.mktemp("text") / "bert"
    assert _train("bert_en.py", run, corpus_folder, *_vocabulary(), *ALIKE) == 0
    return run


@pytest.fixture(scope="module")
def language_model(bert, corpus_folder):
    run = bert.with_name("gpt")
    vocabulary = ["--tokenizer.path", str(bert / "tokenizer.model")]
    assert _train("gpt_fr.py", run, corpus_folder, *vocabulary, *ALIKE) == 0
    return run


@pytest.fixture(scope="module")
def joined(bert, language_model, corpus_folder):
    """A translator that starts from both."""
    run = bert.with_name("joined")
    parts = ["--encoder-from", str(bert), "--decoder-from", str(language_model)]
    assert _train("tatoeba_en_fr_tiny.py", run, corpus_folder, *parts) == 0
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


def test_pretraining_is_gone_on_with_exactly(language_model, bert, corpus_folder):
    # As if it had been killed after its second step: the run has the config of four, and the checkpoint of two.
    stopped = language_model.with_name("stopped")
    shutil.copytree(language_model, stopped)
    newest = max((stopped / "checkpoints").iterdir(), key=lambda path: int(path.name))
    assert newest.name == "4"
    shutil.rmtree(newest)
    vocabulary = ["--tokenizer.path", str(bert / "tokenizer.model")]
    assert _train("gpt_fr.py", stopped, corpus_folder, *vocabulary, *ALIKE) == 0
    metrics = [json.loads(line) for line in (stopped / "metrics.jsonl").read_text().splitlines()]
    losses = [(each["step"], each["train/loss"]) for each in metrics if "train/loss" in each]
    assert losses[4:] == losses[2:4] and len(losses) == 6


def test_bert_learns_from_text(bert, corpus_folder, tmp_path, capsys):
    assert json.loads((bert / "evaluation-test.json").read_text())["metrics"]["perplexity"]["score"] > 1
    assert "next_sentence" not in (bert / "metrics.jsonl").read_text()
    assert cli.main(["translate", str(bert)]) == 2
    said = (
        "was trained on text of one language, and does not translate; a translator starts from it by --encoder-from\n"
    )
    assert said in capsys.readouterr().err
    assert cli.main(["export", str(bert), str(tmp_path / "bundle")]) == 0
    assert "pipeline_tag: fill-mask" in (tmp_path / "bundle" / "README.md").read_text()
    assert cli.main(["export", str(bert), str(tmp_path / "programs"), "--format", "stablehlo"]) == 2
    more = ["--data.source-language", "en", "--masking.next-sentence", "5", "--model.max-positions", "128"]
    run = tmp_path / "bert"
    vocabulary = ["--tokenizer.path", str(bert / "tokenizer.model")]
    assert _train("bert_en.py", run, corpus_folder, *vocabulary, *more) == 0
    metrics = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert any(0 < each.get("train/next_sentence", 0) < 5 for each in metrics)


def test_infilling_trains_a_translator_that_another_run_starts_from(corpus_folder, tmp_path, capsys):
    run, tiny = tmp_path / "infilling", "tatoeba_en_fr_tiny.py"
    text = ["--data.source-language", "", "--data.infilling.share", "0.35", "--training.best-by", "loss"]
    assert _train(tiny, run, corpus_folder, *_vocabulary(), *text) == 0
    assert cli.main(["evaluate", str(run)]) == 2
    assert "is no language model (a translator starts from it by --start-from); " in capsys.readouterr().err
    assert _train(tiny, tmp_path / "tuned", corpus_folder, "--start-from", str(run)) == 0
    assert "starting from" in capsys.readouterr().err


def test_a_language_model_has_its_say_in_a_search(language_model, joined, tmp_path, capsys):
    source = tmp_path / "source"
    source.write_text("Hello.\n")
    outputs = []
    for options in ([], ["--language-model", str(language_model), "--language-model-weight", "0"]):
        capsys.readouterr()
        assert cli.main(["translate", str(joined), str(source), "--n-best", "2", *options]) == 0
        outputs.append([line.split("\t")[3] for line in capsys.readouterr().out.splitlines()])
    assert outputs[0] == outputs[1]
    fused = ["--language-model", str(language_model), "--json"]
    assert cli.main(["translate", str(joined), str(source), *fused]) == 0
    best = json.loads(capsys.readouterr().out)["translations"][0]
    by_hand = Translator.load(joined, language_model=language_model).n_best(["Hello."], 1)[0][0]
    assert (by_hand.text, by_hand.log_prob) == (best["text"], pytest.approx(best["log_prob"], abs=1e-4))
    pair = tmp_path / "pair.tsv"
    pair.write_text(f"Hello.\t{best['text']}\n")
    assert cli.main(["score", str(joined), str(pair), *fused]) == 0
    scored = json.loads(capsys.readouterr().out)
    written = scored["log_prob"] == pytest.approx(best["log_prob"], abs=1e-3)
    assert written or len(scored["tokens"]) != len(best["text"])  # other pieces may write the same text


def test_a_translator_starts_from_bert_and_from_gpt(bert, language_model, joined, corpus_folder, tmp_path, capsys):
    model = json.loads((joined / "config.json").read_text())["run"]["model"]
    assert (model["norm"], model["decoder_norm"], model["source_norm"]) == ("post", "pre", True)
    parts, tiny = ["--encoder-from", str(bert), "--decoder-from", str(language_model)], "tatoeba_en_fr_tiny.py"
    elsewhere = bert.with_name("elsewhere")
    bert.rename(elsewhere)  # what it began with is not needed any more
    try:
        assert _train(tiny, joined, corpus_folder, *parts) == 0
    finally:
        elsewhere.rename(bert)
    assert cli.main(["export", str(joined), str(tmp_path / "bundle"), "--license", "cc0-1.0"]) == 0
    assert str(bert.parent) not in (tmp_path / "bundle" / "config.json").read_text()
    assert _train(tiny, tmp_path / "other", corpus_folder, "--encoder-from", str(language_model)) == 2
    assert "is a gpt, from which no encoder is taken; name it by decoder_from" in capsys.readouterr().err
    for options, message in (
        (["--start-from", str(language_model)], "is a gpt, and what is to be trained a transformer; take a config of"),
        (["--encoder-from", str(bert), "--model.ff-dim", "64"], "model.ff_dim: is 64, but 32 in what is started"),
        (["--encoder-from", str(bert), *_vocabulary()], "tokenizer.vocab_size: the vocabulary is that of what is"),
    ):
        assert _train(tiny, tmp_path / "other", corpus_folder, *options) == 2
        assert message in capsys.readouterr().err
    mixed = ["--decoder-from", str(language_model), "--tokenizer.path", str(tmp_path / "small.model")]
    other = Tokenizer.train([french for _, french in shipped_pairs("train", 600)], TokenizerConfig(vocab_size=350))
    (tmp_path / "small.model").write_bytes(other.model)
    assert _train(tiny, tmp_path / "mixed", corpus_folder, *mixed) == 2
    assert "has another vocabulary than the rest of the model" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["generate", "{lm}", "a", "--max-tokens", "0"], "--max-tokens 0: is not positive"),
        (["generate", "{lm}", "a", "--top-k", "3"], "--top-k: goes with --sample; leave it out"),
        (["generate", "en_fr_small", "a"], "is no language model .mt translate translates with it.; take a run"),
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
