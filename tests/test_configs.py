import shutil

import jax
import pytest

from mt import Translator, cli
from mt import config as run_config
from mt.errors import UserError
from mt.models.gpt import GptConfig
from mt.models.interface import dummy_batch
from mt.models.reformer import ReformerConfig
from mt.serialization import from_json, to_json
from mt.training.loop import TrainingConfig
from tests.conftest import ROOT, tiny_config

CONFIGS = sorted((ROOT / "configs").glob("*.py"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config_builds_a_model_and_survives_json(path):
    config = run_config.read(path)
    model = config.model.build(config.tokenizer.vocab_size)
    jax.eval_shape(lambda: model.init(jax.random.key(0), dummy_batch()))
    assert from_json(run_config.RunConfig, to_json(config), "there") == config
    assert f"mt train configs/{path.name}" in path.read_text()


@pytest.mark.thorough
@pytest.mark.parametrize("path", [path for path in CONFIGS if "wmt" in path.stem], ids=lambda path: path.stem)
def test_the_papers_settings_train_on_a_few_hundred_lines(path, corpus_folder, tmp_path):
    """All is as for WMT but the text, the number of steps and the model's size."""
    target = path.stem.split("_")[2]
    for file in corpus_folder.iterdir():
        shutil.copy(file, tmp_path / file.name.replace(".fr", f".{target}"))
    small = {"model.num-layers": 1, "model.model-dim": 16, "model.ff-dim": 32, "model.num-heads": 2}
    small |= {"tokenizer.vocab-size": 400, "training.steps": 2, "training.evaluate-every": 1}
    options = [word for name, value in small.items() for word in (f"--{name}", str(value))]
    arguments = ["train", str(path), "--workdir", str(tmp_path / "run"), "--data.train", str(tmp_path), *options]
    assert cli.main([*arguments, "--search.max-length-offset", "5"]) == 0
    assert cli.main(["average", str(tmp_path / "run"), str(tmp_path / "mean"), "--last", "2"]) == 0
    assert len(Translator.load(tmp_path / "mean").translate(["Hello."], max_length_offset=5)) == 1


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"model": {"num_layer": 2}}, r"x: unknown field model.num_layer \(did you mean num_layers\?\)"),
        ({"model": {"num_layers": "2"}}, "x: model.num_layers must be of type int, not '2'"),
        ({"model": {"norm": "mid"}}, "x: model.norm must be one of pre, post, not 'mid'"),
        ({"model": {"num_heads": 7}}, "x: model.num_heads: 7 does not divide"),
        ({"data": {"train": "a"}}, "x: data.train must be a list"),
        ([], "x: the file must be an object"),
    ],
)
def test_bad_json_is_named(value, message):
    with pytest.raises(UserError, match=message):
        from_json(run_config.RunConfig, value, "x")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"no function get_config\(\)"),
        ("def get_config(): return 3", "returned int"),
        ("def get_config(:", "SyntaxError"),
        ("from mt.config import RunConfig\ndef get_config(): return RunConfig(mdel=1)", "mdel"),
    ],
)
def test_bad_config_files_are_named(tmp_path, text, message):
    path = tmp_path / "mine.py"
    path.write_text(text)
    with pytest.raises(UserError, match=f"mine.py: .*{message}"):
        run_config.read(path)


def test_a_models_architecture_is_read_from_json():
    gpt = run_config.RunConfig(model=GptConfig(max_positions=600))
    assert from_json(run_config.RunConfig, to_json(gpt), "x") == gpt
    without = to_json(run_config.RunConfig())
    del without["model"]["architecture"]  # as runs have it that are older than other architectures
    assert from_json(run_config.RunConfig, without, "x") == run_config.RunConfig()
    with pytest.raises(
        UserError,
        match=r"must be one of transformer, document_transformer, gpt, .*, reformer_lm, not 'gtp' \(did you mean",
    ):
        from_json(run_config.RunConfig, {"model": {"architecture": "gtp"}}, "x")
    with pytest.raises(UserError, match="unknown field model.norm"):
        from_json(run_config.RunConfig, {"model": {"architecture": "gpt", "norm": "pre"}}, "x")


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (tiny_config(remat=True), "training.guided_alignment: does not go with model.remat"),
        (ReformerConfig(), "training.guided_alignment: is not for reformer; set it to 0"),
    ],
)
def test_what_has_no_attention_to_guide_is_named(model, message):
    with pytest.raises(UserError, match=message):
        run_config.RunConfig(model=model, training=TrainingConfig(guided_alignment=0.1))
