"""MarianMT folders in OPUS-MT's shapes, random and made by `transformers`, become models that compute the same."""

import json
import pathlib
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mt import cli, trained
from mt.exporting import vocabularies
from tests.conftest import ROOT
from tests.exporting.reference import SENTENCES, check_same, hugging_face, train

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
transformers = pytest.importorskip("transformers", reason="transformers is not installed")

SMALL = dict(d_model=64, encoder_layers=2, decoder_layers=2, ffn=128, heads=4)
VARIANTS = {
    "OPUS-MT's": dict(d_model=512, encoder_layers=6, decoder_layers=6, ffn=2048, heads=8),
    "relu": SMALL | dict(activation_function="relu"),
    "other depths, gelu": SMALL | dict(encoder_layers=3, decoder_layers=1, activation_function="gelu"),
    "output untied": SMALL | dict(tie_word_embeddings=False),
    "two tables": SMALL | dict(share_encoder_decoder_embeddings=False),
}


def make_folder(folder: pathlib.Path, files: dict[str, bytes], **options) -> pathlib.Path:
    """A MarianMT folder of random weights, larger than those of a new model so that its words differ."""
    vocabulary = json.loads(files["vocab.json"])
    heads, ffn = options.pop("heads"), options.pop("ffn")
    options = dict(activation_function="swish", scale_embedding=True, max_position_embeddings=512) | options
    config = transformers.MarianConfig(
        vocab_size=len(vocabulary),
        decoder_vocab_size=len(vocabulary),
        pad_token_id=vocabulary["<pad>"],
        decoder_start_token_id=vocabulary["<pad>"],
        eos_token_id=vocabulary["</s>"],
        forced_eos_token_id=None,
        bad_words_ids=[[vocabulary["<pad>"]]],
        num_beams=4,
        **{
            f"{side}_{name}": size
            for side in ("encoder", "decoder")
            for name, size in (("attention_heads", heads), ("ffn_dim", ffn))
        },
        **options,
    )
    torch.manual_seed(0)
    model = transformers.MarianMTModel(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.normal_(0, 4 / config.d_model**0.5 if parameter.ndim < 2 else 1.3 / parameter.shape[1] ** 0.5)
        model.final_logits_bias.normal_(0, 0.5)
        model.final_logits_bias[0, vocabulary["</s>"]] += 1
    model.save_pretrained(folder, safe_serialization=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    described = {"source_lang": "eng", "target_lang": "fra", "clean_up_tokenization_spaces": False}
    (folder / "tokenizer_config.json").write_text(json.dumps(described))
    return folder


@pytest.fixture(scope="module", params=VARIANTS)
def both(request, tmp_path_factory, marian_tokenizer_files):
    """A folder, and the run that it was imported as."""
    folder = tmp_path_factory.mktemp("import")
    theirs = make_folder(folder / "theirs", marian_tokenizer_files, **VARIANTS[request.param])
    assert cli.main(["import", str(theirs), str(folder / "run")]) == 0
    return theirs, folder / "run"


def test_encoder_states_and_logits_are_theirs(both):
    folder, run = both
    theirs = transformers.MarianMTModel.from_pretrained(str(folder)).eval()
    tokenizer = transformers.MarianTokenizer.from_pretrained(str(folder))
    found = trained.load(run)
    inputs = tokenizer(SENTENCES[:4], text_target=SENTENCES[4:8], return_tensors="pt", padding=True)
    targets = inputs["labels"]
    start = torch.full((4, 1), theirs.config.decoder_start_token_id)
    with torch.inference_mode():
        expected = theirs(
            input_ids=inputs["input_ids"],
            attention_mask=inputs["attention_mask"],
            decoder_input_ids=torch.cat([start, targets[:, :-1]], 1),
        )
    orders = vocabularies.of(found.tokenizers).orders["target"]
    ours = np.argsort(orders)
    source, target = (ours[each.numpy()] for each in (inputs["input_ids"], targets))
    real = source > 0
    positions = [np.broadcast_to(np.arange(each.shape[1]), each.shape) for each in (source, target)]
    batch = {
        "source_tokens": source,
        "source_positions": positions[0],
        "source_segments": real.astype(int),
        "target_inputs": np.concatenate([np.full((4, 1), found.tokenizers.start), target[:, :-1]], 1),
        "target_tokens": target,
        "target_positions": positions[1],
        "target_segments": (target > 0).astype(int),
    }
    batch = {name: jnp.asarray(each, jnp.int32) for name, each in batch.items()}
    variables = {"params": found.params}
    encoded = found.model.apply(
        variables, batch["source_tokens"], batch["source_positions"], batch["source_segments"], method="encode"
    )
    np.testing.assert_allclose(np.asarray(encoded)[real], expected.encoder_last_hidden_state.numpy()[real], atol=1e-4)
    logits = np.asarray(found.model.apply(variables, batch))[..., ours]
    written = np.asarray(target > 0)
    np.testing.assert_allclose(logits[written], expected.logits.numpy()[written], atol=1e-4)


def test_tokens_are_theirs(both):
    folder, run = both
    tokenizer = transformers.MarianTokenizer.from_pretrained(str(folder))
    tokenizers = trained.load(run).tokenizers
    orders = vocabularies.of(tokenizers).orders
    lines = [*SENTENCES[:20], ">>fra<< Hello.", ">>xyz<< Hello.", "漢字 🙂", ""]
    found = [orders["source"][ids].tolist() for ids in tokenizers.source.encode(lines)]
    expected = tokenizer(lines)["input_ids"]
    unknown = lines.index(">>xyz<< Hello.")  # theirs takes any such code for one unknown piece
    assert [each for number, each in enumerate(found) if number != unknown] == [
        each for number, each in enumerate(expected) if number != unknown
    ]
    targets = tokenizers.target.encode(lines[:20])
    assert tokenizer(text_target=lines[:20])["input_ids"] == [orders["target"][ids].tolist() for ids in targets]


def test_out_again_and_in_again_nothing_has_changed(both, tmp_path):
    folder, run = both
    assert cli.main(["export", str(run), str(tmp_path / "out"), "--format", "marian"]) == 0
    assert cli.main(["import", str(tmp_path / "out"), str(tmp_path / "again")]) == 0
    one, other = trained.load(run), trained.load(tmp_path / "again")
    assert one.model == other.model
    jax.tree.map(np.testing.assert_array_equal, one.params, other.params)
    assert {
        name: json.loads(content) if name.endswith("json") else content
        for name, content in one.tokenizers.files.items()
    } == {
        name: json.loads(content) if name.endswith("json") else content
        for name, content in other.tokenizers.files.items()
    }
    before = transformers.MarianMTModel.from_pretrained(str(folder)).state_dict()
    after = transformers.MarianMTModel.from_pretrained(str(tmp_path / "out")).state_dict()
    assert before.keys() == after.keys()
    for name, values in before.items():
        np.testing.assert_array_equal(values.numpy(), after[name].numpy(), name)


@pytest.mark.thorough
def test_one_trained_further_here_is_read_there(tmp_path, marian_tokenizer_files, corpus_folder):
    folder = make_folder(tmp_path / "theirs", marian_tokenizer_files, **SMALL)
    assert cli.main(["import", str(folder), str(tmp_path / "run")]) == 0
    assert trained.load(tmp_path / "run").search.beam_size == 4
    tuned = train(tmp_path / "tuned", corpus_folder, "--start-from", str(tmp_path / "run"), "--training.steps", "150")
    assert cli.main(["export", str(tuned), str(tmp_path / "out"), "--format", "marian"]) == 0
    check_same(tuned, *hugging_face(tmp_path / "out", SENTENCES))


def test_an_import_is_not_trained_on_in_its_own_folder(tmp_path, marian_tokenizer_files, corpus_folder, capsys):
    folder = make_folder(tmp_path / "theirs", marian_tokenizer_files, **SMALL)
    assert cli.main(["import", str(folder), str(tmp_path / "run")]) == 0
    config = str(ROOT / "configs" / "tatoeba_en_fr_tiny.py")
    assert cli.main(["train", config, "--workdir", str(tmp_path / "run"), "--data.train", str(corpus_folder)]) == 2
    assert f"--start-from {tmp_path / 'run'}" in capsys.readouterr().err


@pytest.fixture(scope="module")
def small(tmp_path_factory, marian_tokenizer_files):
    return make_folder(tmp_path_factory.mktemp("small") / "theirs", marian_tokenizer_files, **SMALL)


def _edited(folder: pathlib.Path, copy: pathlib.Path, **changes) -> pathlib.Path:
    shutil.copytree(folder, copy)
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | changes))
    return copy


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (dict(model_type="bart"), "config.json: model_type is 'bart'"),
        (dict(scale_embedding=False), "config.json: scale_embedding is False"),
        (dict(normalize_before=True), "config.json: normalize_before is True"),
        (dict(decoder_ffn_dim=64), "encoder_ffn_dim is 128 and decoder_ffn_dim 64"),
        (dict(activation_function="tanh"), "config.json: 'tanh' is missing or unknown"),
        (dict(pad_token_id=5), "config.json: pad_token_id is 5"),
        (dict(vocab_size=17), "config.json: vocab_size is 17, but the vocabulary has"),
        (dict(encoder_layers=3), "model.safetensors: has no tensor"),
        (dict(encoder_layers=1), "is not a tensor of MarianMT's"),
        (dict(d_model=32), "a tensor is of another shape than config.json says"),
    ],
)
def test_a_model_that_ours_cannot_be_is_refused(small, tmp_path, capsys, changes, said):
    folder = _edited(small, tmp_path / "copy", **changes)
    assert cli.main(["import", str(folder), str(tmp_path / "run")]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_missing_and_damaged_files_are_named(small, tmp_path, capsys):
    def refused(name: str, content: bytes | None, also: str = "") -> str:
        copy = tmp_path / f"{name}{content is None}{also}"
        shutil.copytree(small, copy)
        (copy / name).unlink() if content is None else (copy / name).write_bytes(content)
        if also:
            (copy / also).touch()
        assert cli.main(["import", str(copy), str(tmp_path / "run")]) == 2
        return capsys.readouterr().err

    for name in ("config.json", "model.safetensors", "source.spm", "target.spm", "vocab.json"):
        assert name in refused(name, None)
        assert name in refused(name, b"garbage")
    assert "a pickle can run code" in refused("model.safetensors", None, "pytorch_model.bin")
