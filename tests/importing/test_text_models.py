"""BERT and GPT-2 folders as `transformers` writes them, with random weights, become models that compute the same."""

import json
import math
import re
import shutil

import numpy as np
import pytest

from mt import cli, trained
from mt.data.pieces import mask_of, word_starts
from mt.decoding.generator import Generator
from mt.models.interface import Text
from tests.conftest import ROOT, shipped_pairs

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
transformers = pytest.importorskip("transformers", reason="transformers is not installed")
tokenizers = pytest.importorskip("tokenizers", reason="tokenizers is not installed")

SENTENCES = ["Tom is here.", "I don't know what to say, my friend!", "Où est-ce ?"]


def _texts(side):
    return [pair[side] for pair in shipped_pairs("train", 600)]


def _random(model):
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.3)
    return model.eval()


@pytest.fixture(scope="module")
def bert_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bert")
    trainer = tokenizers.BertWordPieceTokenizer(lowercase=True)
    trainer.train_from_iterator(_texts(0), vocab_size=300, show_progress=False)
    trainer.save_model(str(folder))
    transformers.BertTokenizerFast(str(folder / "vocab.txt"), do_lower_case=True).save_pretrained(folder)
    vocab = trainer.get_vocab_size()
    config = transformers.BertConfig(
        vocab_size=vocab, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48
    )
    _random(transformers.BertForPreTraining(config)).save_pretrained(folder, safe_serialization=True)
    return folder


@pytest.fixture(scope="module")
def gpt2_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gpt2")
    trainer = tokenizers.ByteLevelBPETokenizer()
    end = "<|endoftext|>"
    trainer.train_from_iterator(_texts(1), vocab_size=400, show_progress=False, special_tokens=[end])
    trainer.save_model(str(folder))
    files = str(folder / "vocab.json"), str(folder / "merges.txt")
    transformers.GPT2TokenizerFast(*files, unk_token=end, bos_token=end, eos_token=end).save_pretrained(folder)
    ids = dict(bos_token_id=trainer.token_to_id(end), eos_token_id=trainer.token_to_id(end))
    config = transformers.GPT2Config(
        vocab_size=trainer.get_vocab_size(), n_positions=64, n_embd=32, n_layer=2, n_head=4, **ids
    )
    _random(transformers.GPT2LMHeadModel(config)).save_pretrained(folder, safe_serialization=True)
    return folder


@pytest.mark.parametrize("old", [False, True], ids=["tokenizer.json", "vocab.txt"])
def test_bert_is_read_with_its_words(bert_folder, tmp_path, old):
    folder = bert_folder
    if old:  # as the authors' own folders are
        folder = tmp_path / "old"
        folder.mkdir()
        for name in ("config.json", "model.safetensors", "vocab.txt"):
            (folder / name).write_bytes((bert_folder / name).read_bytes())
    assert cli.main(["import", str(folder), str(tmp_path / "run"), "--target-language", "en"]) == 0
    found = trained.load(tmp_path / "run")
    theirs = transformers.BertForPreTraining.from_pretrained(folder).eval()
    words = transformers.BertTokenizerFast.from_pretrained(bert_folder)
    order = found.tokenizers.source.order
    assert found.tokenizers.source.pieces([mask_of(found.tokenizers.source)]) == ["[MASK]"]
    for sentence in SENTENCES[:2]:
        ids = found.tokenizers.source.encode([sentence])[0]
        assert order[ids].tolist() == words(sentence)["input_ids"]
        assert found.tokenizers.target.encode([sentence])[0] == ids[1:]
        assert found.tokenizers.target.decode([ids[1:]]) == [words.backend_tokenizer.decode(order[ids[1:-1]])]
        row = np.array([ids], np.int32)
        text = Text(row, np.arange(len(ids))[None], np.ones_like(row), np.zeros_like(row))
        logits, follows = found.model.apply({"params": found.params}, text)
        with torch.no_grad():
            expected = theirs(torch.tensor([order[ids].tolist()]))
        np.testing.assert_allclose(logits, expected.prediction_logits.numpy()[:, :, order], atol=1e-4)
        np.testing.assert_allclose(follows, expected.seq_relationship_logits.numpy(), atol=1e-4)
    starts = word_starts(found.tokenizers.source)
    assert starts[found.tokenizers.source.encode(["tom"])[0][1]] and starts.mean() > 0.2


@pytest.mark.thorough
def test_bert_without_heads_starts_an_encoder(bert_folder, tmp_path, corpus_folder, capsys):
    folder = tmp_path / "alone"
    transformers.BertModel.from_pretrained(bert_folder).save_pretrained(folder, safe_serialization=True)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).write_bytes((bert_folder / name).read_bytes())
    assert cli.main(["import", str(folder), str(tmp_path / "run"), "--target-language", "en"]) == 0
    assert "has no head that predicts tokens" in capsys.readouterr().err
    config = str(ROOT / "configs" / "tatoeba_en_fr_tiny.py")
    steps = ["--training.steps", "2", "--data.train", str(corpus_folder), "--encoder-from", str(tmp_path / "run")]
    assert cli.main(["train", config, "--workdir", str(tmp_path / "translator"), *steps]) == 0


def test_gpt2_is_read_with_its_bytes_and_goes_on_as_it_does(gpt2_folder, tmp_path, capsys):
    run = tmp_path / "run"
    assert cli.main(["import", str(gpt2_folder), str(run), "--target-language", "fr"]) == 0
    found, theirs = trained.load(run), transformers.GPT2LMHeadModel.from_pretrained(gpt2_folder).eval()
    words = transformers.GPT2TokenizerFast.from_pretrained(gpt2_folder)
    order, end = found.tokenizers.target.order, words.eos_token_id
    generator = Generator.of(found)
    scores = generator.likelihoods(SENTENCES)
    for sentence, score in zip(SENTENCES, scores):
        ids = found.tokenizers.target.encode([sentence])[0]
        assert order[ids].tolist() == [*words(sentence)["input_ids"], end]
        assert found.tokenizers.target.decode([ids]) == [sentence]
        whole = torch.tensor([[end, *words(sentence)["input_ids"], end]])
        with torch.no_grad():
            log_probs = torch.log_softmax(theirs(whole).logits[0, :-1], -1)
        expected = log_probs.gather(1, whole[0, 1:, None])[:, 0]
        np.testing.assert_allclose(score.log_probs, expected.numpy(), atol=1e-4)
    ours = generator.generate(["Tom est"], 1, 8, beam_size=1)[0][0]
    begun = torch.tensor([[end, *words("Tom est")["input_ids"]]])
    with torch.no_grad():
        greedy = theirs.generate(begun, max_new_tokens=8, do_sample=False, pad_token_id=end)[0, 1:]
    assert ours.text == words.decode(greedy[: len(greedy)], skip_special_tokens=True)
    assert math.isfinite(ours.log_prob)
    capsys.readouterr()
    assert cli.main(["generate", str(run), "Tom est", "--max-tokens", "8", "--beam-size", "1"]) == 0
    assert capsys.readouterr().out == f"{ours.text}\n"
    # What is ours alone is never likely.
    alone = np.flatnonzero(order < 0)
    bias = np.asarray(found.params["output_bias"])
    assert (
        alone.tolist() == [0, 1, 3]
        and (bias[alone] == -1e9).all()
        and not bias[np.setdiff1d(np.arange(9), alone)].any()
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: (folder / "tokenizer.json").write_text("{}"), "tokenizer.json: not a tokenizer"),
        (lambda folder: _edit(folder, n_layer=3), "has no tensor transformer.h.2.ln_1.weight;"),
        (lambda folder: _edit(folder, vocab_size=390), "transformer.wte.weight has 400 rows, but vocab_size is 390"),
        (lambda folder: _edit(folder, n_positions=32), "positions/table is \\(64, 32\\) and not \\(32, 32\\)"),
        (lambda folder: _edit(folder, activation_function="tanh"), "is missing or unknown; only BERT and GPT-2"),
        (lambda folder: _edit(folder, scale_attn_by_inverse_layer_idx=True), "only models where it is False"),
        (lambda folder: _edit(folder, model_type="llama"), "model_type is 'llama'; what can be imported is"),
        (lambda folder: (folder / "model.safetensors").unlink(), "model.safetensors: no such file"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(gpt2_folder, tmp_path, change, message, capsys):
    folder = tmp_path / "folder"
    shutil.copytree(gpt2_folder, folder)
    change(folder)
    assert cli.main(["import", str(folder), str(tmp_path / "run"), "--target-language", "fr"]) == 2
    assert re.search(message, capsys.readouterr().err) and not (tmp_path / "run").exists()


def _edit(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_what_translates_has_two_languages_and_text_one(gpt2_folder, tmp_path, capsys):
    assert cli.main(["import", str(gpt2_folder), str(tmp_path / "run")]) == 2
    assert "give it as --target-language" in capsys.readouterr().err
    both = ["--source-language", "en", "--target-language", "fr"]
    assert cli.main(["import", str(gpt2_folder), str(tmp_path / "run"), *both]) == 2
    assert "the model is of text in one language" in capsys.readouterr().err
