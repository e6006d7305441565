"""Training goes on from another model, also over another vocabulary."""

import dataclasses
from types import SimpleNamespace

import jax
import numpy as np
import pytest

from mt import cli, trained
from mt import config as run_config
from mt.data.tokenizer import Tokenizer, TokenizerConfig
from mt.data.tokenizers import Tokenizers
from mt.errors import UserError
from mt.files import write_json
from mt.initialization import adopt, starting_params
from mt.models.gpt import GptConfig
from mt.models.interface import dummy_batch
from mt.models.transformer_xl import TransformerXlConfig
from tests.commands.test_average import run  # noqa: F401
from tests.conftest import ROOT, random_params, shipped_pairs
from tests.test_cli import tiny_run_arguments


def _without(arguments, *beginnings):
    """The command without such options, each of one value."""
    pairs = zip(arguments[::2], arguments[1::2])  # the verb and the config are the first
    return [word for pair in pairs if not pair[0].startswith(beginnings) for word in pair]


@pytest.mark.thorough
def test_pieces_keep_their_vectors_in_a_wider_vocabulary(run, corpus_folder, tmp_path, capsys):  # noqa: F811
    texts = [text for pair in shipped_pairs("train", 2000) for text in pair]
    wider = Tokenizer.train(texts, TokenizerConfig(vocab_size=600, symbols=("<BT>",)))
    (tmp_path / "wider.model").write_bytes(wider.model)
    # Frozen, so that what training began with is what it ends with; something must be trained.
    options = ["--start-from", str(run), "--tokenizer.path", str(tmp_path / "wider.model"), "--optimizer.frozen"]
    options += ["*_embedding/*", "encoder_layers_*"]
    arguments = _without(tiny_run_arguments(corpus_folder, 3), "--tokenizer.")
    assert cli.main([*arguments, "--workdir", str(tmp_path / "tuned"), *options]) == 0
    old, new = trained.load(run), trained.load(tmp_path / "tuned")
    pieces = [each.tokenizers.target.pieces(range(len(each.tokenizers.target))) for each in (old, new)]
    tables = [np.asarray(each.params["target_embedding"]["table"]) for each in (old, new)]
    known = {piece: number for number, piece in enumerate(pieces[0])}
    shared = [(number, known[piece]) for number, piece in enumerate(pieces[1]) if piece in known]
    assert 300 < len(shared) < len(pieces[1]) and "<BT>" in pieces[1]
    for row, before in shared:
        np.testing.assert_array_equal(tables[1][row], tables[0][before])
    others = np.delete(tables[1], [row for row, _ in shared], axis=0)
    assert len(others) and others.any(1).all()
    jax.tree.map(np.testing.assert_array_equal, old.params["encoder_layers_0"], new.params["encoder_layers_0"])
    changed = jax.tree.leaves(
        jax.tree.map(np.array_equal, old.params["decoder_layers_0"], new.params["decoder_layers_0"])
    )
    assert not all(changed)
    said = capsys.readouterr().err
    assert f"{len(shared):,} of {len(pieces[1]):,} pieces have a vector there" in said
    assert "as what it starts from has it" not in said
    # The config's own sizes give way, an option's may not.
    other = _without(tiny_run_arguments(corpus_folder, 1), "--tokenizer.", "--model.")
    other += ["--start-from", str(run), "--workdir", str(tmp_path / "other")]
    assert cli.main([*other, "--model.model-dim", "32"]) == 2
    assert "model.model_dim: is 32, but 16 in what is started from" in capsys.readouterr().err
    assert cli.main(other) == 0
    said = capsys.readouterr().err
    assert "model: as what it starts from has it (num_layers 1, not 2, " in said and "model_dim 16, not 128" in said


@pytest.mark.parametrize(
    "config",
    [
        GptConfig(num_layers=1, model_dim=8, ff_dim=8, num_heads=1, output_bias=True),
        TransformerXlConfig(num_layers=1, model_dim=8, ff_dim=8, num_heads=1, adaptive_cutoffs=()),
        TransformerXlConfig(num_layers=1, model_dim=8, ff_dim=8, num_heads=1, adaptive_cutoffs=(20,)),
    ],
    ids=["gpt", "transformer_xl", "clusters"],
)
def test_a_language_models_pieces_keep_their_vectors_too(config):
    texts = [text for pair in shipped_pairs("train", 300) for text in pair]
    old, new = (Tokenizers.shared(Tokenizer.train(texts, TokenizerConfig(vocab_size=size))) for size in (350, 450))
    params = random_params(config.build(len(old.target)))
    found = SimpleNamespace(params=params, tokenizers=old, name="the run")
    model = config.build(len(new.target))
    if getattr(config, "adaptive_cutoffs", ()):
        with pytest.raises(UserError, match="has clusters of its vocabulary"):
            starting_params(found, new, model, 1)
        return
    begun = starting_params(found, new, model, 1)
    pieces = [each.target.pieces(range(len(each.target))) for each in (old, new)]
    shared = sorted(set(pieces[0]) & set(pieces[1]))
    before, after = ([each.index(piece) for piece in shared] for each in pieces)
    assert len(shared) > 300 and before != after
    for name in ("embedding", "output_bias"):
        for one, other in zip(jax.tree.leaves(params[name]), jax.tree.leaves(begun[name]), strict=True):
            assert len(other) == len(new.target)
            np.testing.assert_array_equal(np.asarray(one)[before], np.asarray(other)[after])


def test_a_translator_of_documents_starts_from_one_of_sentences(tmp_path):
    configs = ROOT / "configs"
    documents, sentences = (run_config.read(configs / f"{each}_en_fr.py") for each in ("documents", "sentences"))
    folder, wider = tmp_path / "sentences", dataclasses.replace(sentences.model, ff_dim=640)
    folder.mkdir()
    write_json(folder / "config.json", run_config.describe(dataclasses.replace(sentences, model=wider), "none"))
    adopted = adopt(dataclasses.replace(documents, start_from=str(folder))).model
    assert adopted == dataclasses.replace(documents.model, ff_dim=640)
    models = [config.build(50) for config in (adopted, wider)]
    trees = [jax.eval_shape(each.init, jax.random.key(0), dummy_batch())["params"] for each in models]
    assert trees[0] == trees[1]
    with pytest.raises(UserError, match="is a transformer, and what is to be trained a gpt; take a config of a tr"):
        adopt(dataclasses.replace(run_config.read(configs / "gpt_fr.py"), start_from=str(folder)))


@pytest.mark.parametrize("positions, is_free", [("sinusoidal", True), ("axial", False)])
def test_a_reformer_takes_longer_texts_and_more_rounds_than_what_it_starts_from(tmp_path, positions, is_free):
    config = run_config.read(ROOT / "configs" / "reformer_en_fr.py")
    config = dataclasses.replace(config, model=dataclasses.replace(config.model, positions=positions))
    write_json(tmp_path / "config.json", run_config.describe(config, "none"))
    wanted = dataclasses.replace(config.model, max_positions=4 * config.model.max_positions, rounds=8)
    adopted = adopt(dataclasses.replace(config, model=wanted, start_from=str(tmp_path))).model
    longer = dataclasses.replace(config.data.batching, row_length=8192, batch_tokens=8192)
    longer = dataclasses.replace(config.data, batching=longer)
    if not is_free:
        with pytest.raises(
            UserError, match="start_from: with the model of .*, whose sizes stay, model.max_positions: 4"
        ):
            adopt(dataclasses.replace(config, model=wanted, start_from=str(tmp_path), data=longer))
    assert adopted == (wanted if is_free else dataclasses.replace(config.model, rounds=8))
    models = [each.build(50) for each in (adopted, config.model)]
    trees = [jax.eval_shape(each.init, jax.random.key(0), dummy_batch())["params"] for each in models]
    assert trees[0] == trees[1]
