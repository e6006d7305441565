"""Bundles: what is read is what was written, or refused with a sentence."""

import json
import os
import pathlib
import shutil

import jax
import numpy as np
import pytest

from mt import Translator, cli, trained
from mt.data.datasets import Languages
from mt.quantization import dequantize, quantize
from tests.conftest import ROOT

BUNDLES = pathlib.Path(__file__).parent / "bundles"
SENTENCES = ["Hello, how are you?", "", "I am here."]


def export(run: pathlib.Path, out: pathlib.Path, *options: str) -> pathlib.Path:
    assert cli.main(["export", str(run), str(out), *options]) == 0
    return out


@pytest.fixture(scope="module")
def bundle(run, tmp_path_factory):
    return export(run, tmp_path_factory.mktemp("bundles") / "bundle", "--license", "cc-by-4.0")


def test_a_bundle_translates_as_its_run_does(run, bundle):
    expected = Translator.load(run).n_best(SENTENCES, 3)
    assert Translator.load(bundle).n_best(SENTENCES, 3) == expected
    for one, other in zip(jax.tree.leaves(trained.load(run).params), jax.tree.leaves(trained.load(bundle).params)):
        np.testing.assert_array_equal(one, other)


def test_a_bundle_of_a_bundle_is_the_same(bundle, tmp_path):
    again = json.loads((export(bundle, tmp_path / "again") / "MANIFEST.json").read_text())
    first = json.loads((bundle / "MANIFEST.json").read_text())
    for name in ("config.json", "tokenizer.model"):
        assert again["files"][name] == first["files"][name]


def test_bfloat16_is_rounding(run, tmp_path):
    small = export(run, tmp_path / "small", "--dtype", "bfloat16")
    for one, other in zip(jax.tree.leaves(trained.load(run).params), jax.tree.leaves(trained.load(small).params)):
        assert other.dtype == np.float32
        np.testing.assert_allclose(one, other, rtol=2**-8)


def test_int8_is_no_further_than_rounding_by_the_largest(run, tmp_path):
    small = export(run, tmp_path / "small", "--dtype", "int8")
    for one, other in zip(jax.tree.leaves(trained.load(run).params), jax.tree.leaves(trained.load(small).params)):
        assert other.dtype == np.float32
        if one.ndim < 2:
            np.testing.assert_array_equal(one, other)
        else:  # rounding to steps of s is off by s / sqrt(12) on average
            assert np.sqrt(np.mean((one - other) ** 2)) <= np.abs(one).max() / 127 / 12**0.5


def test_each_channel_has_its_own_scale():
    params = {"kernel": np.array([[1.0, 100.0], [-0.5, 50.0]], np.float32), "bias": np.array([0.1], np.float32)}
    found = dequantize(jax.device_get(quantize(params)))
    np.testing.assert_allclose(found["kernel"][:, 0], [1.0, -0.5], atol=0.5 / 127)
    np.testing.assert_array_equal(found["bias"], params["bias"])
    table = {"table": params["kernel"]}
    np.testing.assert_allclose(dequantize(jax.device_get(quantize(table)))["table"][1], [-0.5, 50], atol=25.1 / 127)


def test_a_matrix_of_zeros_stays_one():
    found = dequantize(jax.device_get(quantize({"kernel": np.zeros((2, 2), np.float32)})))
    np.testing.assert_array_equal(found["kernel"], 0)


def test_the_card_says_what_the_model_is(bundle):
    card = (bundle / "README.md").read_text()
    for said in ("language: [en, fr]", "license: cc-by-4.0", "tatoeba_en_fr", 'Translator.load("bundle")'):
        assert said in card


def test_the_card_has_a_row_for_each_score(run, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    result = {"BLEU": {"score": 12.345, "signature": "nrefs:1|case:mixed"}}
    described = {"name": "test", "model": f"{copy} at step 7", "sentences": 2000, "metrics": result}
    (copy / "evaluation-test.json").write_text(json.dumps(described))
    (tmp_path / "notes.md").write_text("## Weaknesses\n\nIt knows no slang.")
    notes = ["--notes", str(tmp_path / "notes.md")]
    assert cli.main(["export", str(copy), str(tmp_path / "out"), "--dtype", "int8", *notes]) == 0
    card = (tmp_path / "out" / "README.md").read_text()
    assert "| test | 2,000 | BLEU | 12.35 | `nrefs:1\\|case:mixed` |" in card
    assert "Parameters: int8; the scores below are of the same in float32" in card
    described = json.loads((tmp_path / "out" / "config.json").read_text())["run"]
    assert described["start_from"] == described["tokenizer"]["path"] == described["data"]["cache"] == ""
    assert card.endswith("\n\n## Weaknesses\n\nIt knows no slang.\n")


def _refused(folder: pathlib.Path, capsys) -> str:
    assert cli.main(["translate", str(folder)]) == 2
    return capsys.readouterr().err


def test_damage_is_refused_with_a_sentence_that_names_it(bundle, tmp_path, capsys):
    for number, name in enumerate(json.loads((bundle / "MANIFEST.json").read_text())["files"]):
        missing, altered = tmp_path / f"missing{number}", tmp_path / f"altered{number}"
        for copy in (missing, altered):
            shutil.copytree(bundle, copy)
        (missing / name).unlink()
        assert f"{missing / name}: missing" in _refused(missing, capsys)
        content = bytearray((altered / name).read_bytes())
        content[len(content) // 2] ^= 1
        (altered / name).write_bytes(content)
        assert f"{altered / name}: not as it was exported" in _refused(altered, capsys)


def test_a_manifest_must_be_there_whole_and_of_a_known_format(bundle, tmp_path, capsys):
    copy = tmp_path / "copy"
    shutil.copytree(bundle, copy)
    manifest = json.loads((copy / "MANIFEST.json").read_text())
    (copy / "MANIFEST.json").write_text(json.dumps(manifest | {"format_version": 2, "mt_version": "9.0"}))
    assert "written by mt 9.0" in _refused(copy, capsys)
    outside = {name: {"bytes": 1, "sha256": ""} for name in ("../secret", "/etc/passwd", "")}
    for name, entry in outside.items():
        (copy / "MANIFEST.json").write_text(json.dumps(manifest | {"files": {name: entry}}))
        assert "is not in this folder" in _refused(copy, capsys)
    for name in ("config.json", "tokenizer.model", next(name for name in manifest["files"] if "params/" in name)):
        others = {each: entry for each, entry in manifest["files"].items() if each != name}
        (copy / "MANIFEST.json").write_text(json.dumps(manifest | {"files": others}))
        assert f"{copy / name}: is not in MANIFEST.json" in _refused(copy, capsys)
    for damaged in ("{}", "[" * 200_000):
        (copy / "MANIFEST.json").write_text(damaged)
        assert "MANIFEST.json: not a manifest" in _refused(copy, capsys)
    (copy / "MANIFEST.json").write_text("{}")
    assert "MANIFEST.json: not a manifest" in _refused(copy, capsys)
    (copy / "MANIFEST.json").unlink()
    os.mkfifo(copy / "MANIFEST.json")  # nobody waits for what comes out of it
    assert "MANIFEST.json: not a manifest" in _refused(copy, capsys)
    (copy / "MANIFEST.json").unlink()
    assert "MANIFEST.json: not a manifest" in _refused(copy, capsys)


@pytest.mark.parametrize("name", ["tokenizer.model", "params"])
def test_a_link_out_of_the_folder_is_refused(bundle, tmp_path, capsys, name):
    copy = tmp_path / "copy"
    shutil.copytree(bundle, copy)
    (copy / name).rename(tmp_path / "elsewhere")
    (copy / name).symlink_to(tmp_path / "elsewhere")
    assert "a link out of the folder" in _refused(copy, capsys)


def test_links_to_folders_are_refused_wherever_they_lead(bundle, tmp_path, capsys):
    copy = tmp_path / "copy"
    shutil.copytree(bundle, copy)
    inner = next(path for path in (copy / "params").rglob("*") if path.is_dir())
    manifest = json.loads((copy / "MANIFEST.json").read_text())
    hidden = inner.relative_to(copy).as_posix() + "/"
    files = {name: entry for name, entry in manifest["files"].items() if not name.startswith(hidden)}
    (copy / "MANIFEST.json").write_text(json.dumps(manifest | {"files": files}))
    for place, said in ((tmp_path / "elsewhere", "a link out of the folder"), (copy / "beside", "a link to a folder")):
        inner.rename(place)
        inner.symlink_to(place)
        assert said in _refused(copy, capsys)
        inner.unlink()
        place.rename(inner)


def test_a_bundle_has_one_checkpoint(bundle, capsys):
    assert cli.main(["translate", str(bundle), "--checkpoint", "last"]) == 2
    assert "is a bundle" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--dtype", "float16"), "--format bundle takes float32 or bfloat16 or int8"),
        (("--format", "marian", "--dtype", "int8"), "--format marian takes float32"),
        (("--beam-size", "2"), "--beam-size: goes with --format stablehlo"),
        (("--n-best", "2"), "--n-best: goes with --format stablehlo"),
        (("--format", "stablehlo", "--n-best", "9"), "--n-best 9: is not between 1 and the beam size"),
    ],
)
def test_what_a_format_cannot_do_is_said(run, tmp_path, capsys, options, said):
    assert cli.main(["export", str(run), str(tmp_path / "out"), *options]) == 2
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_over(run, bundle, capsys):
    assert cli.main(["export", str(run), str(bundle)]) == 2
    assert "is there already" in capsys.readouterr().err


@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_a_bundle_of_an_earlier_day_is_still_read(dtype):
    """Of `conftest.make_run`'s random numbers, written when format 1 was new; it must never be written again."""
    found = trained.load(BUNDLES / f"format_1_{dtype}")
    random, tolerance = np.random.default_rng(0), {"float32": 0, "int8": 0.03}[dtype]
    for leaf in jax.tree.leaves(found.params):
        np.testing.assert_allclose(leaf, random.normal(0, 0.3, leaf.shape).astype(np.float32), atol=tolerance)
    assert len(found.tokenizers.target) == 400 and found.languages == Languages("en", "fr")
    assert len(Translator.of(found).translate(SENTENCES)) == len(SENTENCES)


def test_a_bundle_is_not_trained_in(bundle, capsys):
    before = (bundle / "config.json").read_bytes()
    assert cli.main(["train", str(ROOT / "configs" / "tatoeba_en_fr_tiny.py"), "--workdir", str(bundle)]) == 2
    assert f"--start-from {bundle}" in capsys.readouterr().err
    assert (bundle / "config.json").read_bytes() == before
