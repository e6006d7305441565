"""Hugging Face's MarianMT computes of an export what our model computes."""

import jax
import numpy as np
import pytest

from mt import cli, trained
from tests.exporting.conftest import make_run, marian_form
from tests.exporting.reference import PAIRS, SENTENCES, log_probs


@pytest.fixture(scope="module")
def exported(tmp_path_factory, tokenizers):
    form = marian_form(activation="swish", output_bias=True, norm_epsilon=1e-5)
    folder = tmp_path_factory.mktemp("marian")
    run = make_run(folder / "run", tokenizers, form)
    assert cli.main(["export", str(run), str(folder / "out"), "--format", "marian"]) == 0
    return run, folder / "out"


def test_each_token_is_as_probable_as_ours(exported):
    run, out = exported
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    tokenizer = transformers.MarianTokenizer.from_pretrained(str(out))
    model = transformers.MarianMTModel.from_pretrained(str(out)).eval()
    sources, targets = (list(side) for side in zip(*PAIRS[:20]))
    inputs = tokenizer(sources, text_target=targets, return_tensors="pt", padding=True)
    labels = inputs.pop("labels")
    start = torch.full((len(labels), 1), model.config.decoder_start_token_id)
    with torch.inference_mode():
        logits = model(**inputs, decoder_input_ids=torch.cat([start, labels[:, :-1]], 1)).logits
    theirs = torch.log_softmax(logits, -1).gather(-1, labels[..., None])[..., 0].numpy()
    for found, ours in zip(theirs, log_probs(run, PAIRS[:20]), strict=True):
        np.testing.assert_allclose(found[: len(ours)], ours, atol=1e-4)


def test_its_tokenizer_is_ours(exported):
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    run, out = exported
    tokenizer = transformers.MarianTokenizer.from_pretrained(str(out))
    ours = trained.load(run).tokenizers
    lines = [*SENTENCES[:20], "Ünïcödé 漢字 🙂", "  spaces   between "]
    assert tokenizer(lines)["input_ids"] == ours.source.encode(lines)
    targets = [f"{line} Voilà !" for line in lines]
    encoded = ours.target.encode(targets)
    assert tokenizer(text_target=targets)["input_ids"] == encoded
    assert tokenizer.batch_decode(encoded, skip_special_tokens=True) == ours.target.decode(encoded)


def test_an_export_comes_back_as_it_went(exported, tmp_path):
    run, out = exported
    assert cli.main(["import", str(out), str(tmp_path / "back")]) == 0
    one, other = trained.load(run), trained.load(tmp_path / "back")
    assert one.model == other.model
    assert one.tokenizers.files == other.tokenizers.files and one.tokenizers.start == other.tokenizers.start
    jax.tree.map(np.testing.assert_array_equal, one.params, other.params)


def test_another_form_is_refused_with_its_reasons(tmp_path, tokenizers, capsys):
    run = make_run(tmp_path / "run", tokenizers, marian_form(norm="pre", activation="swiglu"))
    assert cli.main(["export", str(run), str(tmp_path / "out"), "--format", "marian"]) == 2
    said = capsys.readouterr().err
    assert "model.norm is 'pre'" in said and "model.activation is 'swiglu'" in said
    assert not (tmp_path / "out").exists()
