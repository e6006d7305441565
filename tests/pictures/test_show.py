"""`mt show`: files that are what they say, and sentences where they cannot be."""

import json
import re
import sys

import numpy as np
import pytest

from mt import cli, pretrained
from mt.decoding.beam_search import SearchConfig
from mt.decoding.translator import Translator
from mt.errors import UserError
from mt.layers.attention_maps import with_attention
from mt.models.reformer import ReformerConfig
from mt.pictures import attention, curves
from mt.pictures.plotting import figure
from tests.conftest import random_params


def test_weights_are_those_that_the_model_uses(tiny):
    """The values that they average give the attention's output."""
    model, params = tiny
    layer = model.bind({"params": params}).decoder_layers[0].cross_attention
    query, memory, mask = (np.random.default_rng(3).normal(size=(1, length, 16)) for length in (4, 5, 1))
    mask = np.arange(5)[None, None, None] < 4
    run = lambda: layer.apply(  # noqa: E731
        {"params": params["decoder_layers_0"]["cross_attention"]}, query, memory, mask, True
    )
    output, maps = with_attention(run)
    [weights] = maps[""]
    values = layer.apply(
        {"params": params["decoder_layers_0"]["cross_attention"]}, memory, method="project_keys_values"
    ).values
    mixed = np.moveaxis(np.einsum("bhqk,bhkd->bhqd", weights, values), 1, 2).reshape(1, 4, 16)
    dense = params["decoder_layers_0"]["cross_attention"]["output"]
    np.testing.assert_allclose(mixed @ dense["kernel"] + dense["bias"], output, atol=1e-5)


def test_each_head_of_each_layer_looks_somewhere(tiny_translator):
    found = tiny_translator.attention("He is here.", "Il est là.")
    sizes = {"encoder_layers": ("source", "source"), "decoder_layers": ("inputs", "inputs")}
    for name, maps in found.maps.items():
        queries, keys = sizes[name.split("/")[0]] if "self" in name else ("target", "source")
        assert maps.shape == (2, 2, len(getattr(found, queries)), len(getattr(found, keys)))
        np.testing.assert_allclose(maps.sum(-1), 1, atol=1e-5)
    ahead = np.triu(np.ones(found.maps["decoder_layers/self_attention"].shape[-2:]), 1)
    assert not (found.maps["decoder_layers/self_attention"] * ahead).any()
    assert found.target[-1] == found.source[-1] == "</s>" and found.inputs[1:] == found.target[:-1]
    page = attention.page(found)
    data = json.loads(re.search(r"const attentions = (.*);\n", page)[1].replace("<\\/", "</"))
    assert [each["keys"] for each in data] == [keys for _, keys, _ in attention.kinds(found).values()]


def test_a_reformer_is_drawn_as_any_translator_is(tokenizers):
    sizes = dict(num_layers=2, model_dim=16, ff_dim=32, num_heads=2, dropout=0.0, lsh_chunk=4, local_chunk=4)
    model = ReformerConfig(**sizes, max_positions=64, rounds=2, buckets=(4,), cross_chunk=3).build(
        len(tokenizers.target)
    )
    found = Translator(model, random_params(model), tokenizers, SearchConfig(), 32).attention(
        "He is here.", "Il est là."
    )
    assert {attention.short_name(name) for name in found.maps} == {"encoder-self", "decoder-self", "decoder-cross"}
    for name, (queries, keys, _) in attention.kinds(found).items():
        assert found.maps[name].shape == (2, 2, len(queries), len(keys))


def test_pictures_of_attention_and_of_the_search(tmp_path, capsys):
    words = ["Thank you.", "--run", pretrained.DEFAULT, "--output"]
    assert cli.main(["show", "attention", *words, str(tmp_path / "seen")]) == 0
    printed = capsys.readouterr().out.split()
    assert {path.split("seen")[1] for path in printed} == {
        "-encoder-self.png",
        "-decoder-self.png",
        "-decoder-cross.png",
        ".html",
    }
    assert cli.main(["show", "search", *words, str(tmp_path / "tree.svg")]) == 0
    assert "*▁Merci" in capsys.readouterr().out
    for path in (*printed, tmp_path / "tree.svg"):
        assert open(path, "rb").read(8).startswith((b"\x89PNG", b"<!doctyp", b"<?xml"))


def test_a_models_parameters_add_up(capsys):
    assert cli.main(["show", "model", "configs/tatoeba_en_fr_tiny.py"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].split() == ["all", "1,950,208", "100.0%"]
    leaves = [line.split() for line in lines if " x " in line or "bias" in line or "scale" in line]
    assert sum(int(words[-2].replace(",", "")) for words in leaves) == 1_950_208


def test_curves_of_several_runs(tmp_path, capsys):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        lines = [{"step": step, "train/nll": 5 / step, "train/learning_rate": 1e-3 * step} for step in (1, 2, 3)]
        lines.append({"step": 3, "dev/loss": 2.0, "dev/bleu": 12.5})
        (tmp_path / name / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    picture = curves.draw([tmp_path / "a", tmp_path / "b"])
    losses = picture.axes[0].get_lines()
    assert [line.get_label() for line in losses if not line.get_label().startswith("_")] == ["a", "b"]
    assert list(losses[0].get_ydata()) == [5, 2.5, 5 / 3]
    assert cli.main(["show", "curves", str(tmp_path / "a"), "--output", str(tmp_path / "c.png")]) == 0
    capsys.readouterr()
    (tmp_path / "b" / "metrics.jsonl").write_text('{"step": 1}\n{"st\n')
    for words, said in (
        ([str(tmp_path)], "has no metrics.jsonl"),
        ([str(tmp_path / "b")], "line 2: damaged"),
        ([str(tmp_path / "a"), "--output", "c.jpg"], "take a name that ends in .png"),
        ([], "name the --workdir"),
    ):
        assert cli.main(["show", "curves", *words]) == 2
        assert said in capsys.readouterr().err


def test_without_matplotlib_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(UserError, match=r"pip install 'mt\[pictures\]'"):
        figure(1, 1)
