"""CTranslate2 computes of an export what our model computes, whatever its form."""

import numpy as np
import pytest
import sentencepiece

from mt import cli
from tests.exporting.conftest import make_run, marian_form
from tests.exporting.reference import PAIRS, log_probs

engine = pytest.importorskip("ctranslate2", reason="CTranslate2 is not installed")
FORMS = {
    "post-norm, bias": dict(output_bias=True, norm_epsilon=1e-3),
    "pre-norm, learned positions, two tables": dict(norm="pre", positions="learned", tie_embeddings="target"),
    "swiglu, three tables, depths": dict(activation="swiglu", tie_embeddings="none", decoder_layers=1),
    "gelu, output alone": dict(activation="gelu", tie_embeddings="inputs", num_layers=1),
    "gelu_erf": dict(activation="gelu_erf"),
}


def export(run, out, dtype="float32"):
    assert cli.main(["export", str(run), str(out), "--format", "ctranslate2", "--dtype", dtype]) == 0
    return out


def _scores(out) -> list[np.ndarray]:
    source, target = (
        sentencepiece.SentencePieceProcessor(model_file=f"{out}/{side}.spm") for side in ("source", "target")
    )
    texts = ([each[side] for each in PAIRS[:20]] for side in (0, 1))
    pieces = (model.encode(each, out_type=str) for model, each in zip((source, target), texts))
    found = engine.Translator(str(out), compute_type="float32").score_batch(*pieces)
    return [np.array(each.log_probs) for each in found]


@pytest.mark.parametrize("form", FORMS)
def test_each_token_is_as_probable_as_ours(tmp_path, tokenizers, form):
    run = make_run(tmp_path / "run", tokenizers, marian_form(**FORMS[form]))
    for theirs, ours in zip(_scores(export(run, tmp_path / "out")), log_probs(run, PAIRS[:20]), strict=True):
        np.testing.assert_allclose(theirs, ours, atol=1e-4)


def test_int8_is_smaller_and_near(run, tmp_path):
    whole, small = (export(run, tmp_path / dtype, dtype) for dtype in ("float32", "int8"))
    assert (small / "model.bin").stat().st_size < (whole / "model.bin").stat().st_size
    for one, other in zip(_scores(whole), _scores(small)):
        assert np.abs(one - other).mean() < 0.3


def test_what_it_does_not_know_is_named(tmp_path, tokenizers, capsys):
    run = make_run(tmp_path / "run", tokenizers, marian_form(positions="rotary", scale_embeddings=False))
    assert cli.main(["export", str(run), str(tmp_path / "out"), "--format", "ctranslate2"]) == 2
    said = capsys.readouterr().err
    assert "it knows no model with model.positions rotary and model.scale_embeddings False; take another" in said
    assert not (tmp_path / "out").exists()
