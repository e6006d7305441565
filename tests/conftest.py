"""Four fake devices, folders of its own, and the small model, tokenizer and corpus that tests share."""

import gc
import io
import json
import os
import pathlib
import tempfile

os.environ["JAX_PLATFORMS"] = "cpu"
# Compiling is what the tests spend their time on: code of the lowest level is made in two fifths of the time.
os.environ["XLA_FLAGS"] = (
    "--xla_force_host_platform_device_count=4 --xla_backend_optimization_level=0 "
    "--xla_llvm_disable_expensive_passes=true --xla_cpu_use_fusion_emitters=false "
    "--xla_cpu_opt_preset=CPU_OPT_PRESET_FAST_COMPILE"
)
_SCRATCH = tempfile.TemporaryDirectory(prefix="mt-tests-")
os.environ["MT_CACHE"] = str(pathlib.Path(_SCRATCH.name) / "cache")
os.environ["TFDS_DATA_DIR"] = str(pathlib.Path(_SCRATCH.name) / "tfds")

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402
import sentencepiece  # noqa: E402

from mt.data.text import read_lines  # noqa: E402
from mt.data.tokenizer import Tokenizer, TokenizerConfig  # noqa: E402
from mt.data.tokenizers import Tokenizers  # noqa: E402
from mt.decoding.beam_search import SearchConfig  # noqa: E402
from mt.decoding.translator import Translator  # noqa: E402
from mt.models.interface import dummy_batch  # noqa: E402
from mt.models.transformer import TransformerConfig  # noqa: E402

ROOT = pathlib.Path(__file__).parent.parent
SHIPPED = ROOT / "mt" / "data" / "corpora" / "tatoeba_en_fr"
VOCAB = 32


def shipped_pairs(split: str, count: int) -> list[tuple[str, str]]:
    """The first pairs of the shipped corpus."""
    sides = (read_lines(SHIPPED / f"{split}.{language}.xz") for language in ("en", "fr"))
    return [pair for pair, _ in zip(zip(*sides), range(count))]


@pytest.fixture(scope="module", autouse=True)
def few_programs():
    """Lets go of compiled programs before they are so many that Linux maps no more memory for them (65,530 pieces)."""
    yield
    maps = pathlib.Path("/proc/self/maps")
    if maps.exists() and maps.read_bytes().count(b"\n") > 20_000:
        jax.clear_caches()
        gc.collect()


@pytest.fixture(scope="session")
def corpus_folder(tmp_path_factory) -> pathlib.Path:
    """600 / 40 / 40 pairs of the shipped corpus as files; those of dev and test of like length, for few programs."""
    folder = tmp_path_factory.mktemp("corpus")
    for split, count in (("train", 600), ("dev", 40), ("test", 40)):
        pairs = shipped_pairs(split, count if split == "train" else 10 * count)
        alike = [pair for pair in pairs if split == "train" or len(pair[0]) in range(26, 33)]
        for language, lines in zip(("en", "fr"), zip(*alike[:count])):
            (folder / f"{split}.{language}").write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return folder


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    """400 pieces of the shipped corpus."""
    texts = [text for pair in shipped_pairs("train", 600) for text in pair]
    return Tokenizer.train(texts, TokenizerConfig(vocab_size=400))


@pytest.fixture(scope="session")
def tokenizers(tokenizer) -> Tokenizers:
    """The same for both sides."""
    return Tokenizers.shared(tokenizer)


def _sentencepiece(texts: list[str], size: int) -> bytes:
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts), model_writer=model, vocab_size=size, hard_vocab_limit=False, minloglevel=2
    )
    return model.getvalue()


@pytest.fixture(scope="session")
def marian_tokenizer_files() -> dict[str, bytes]:
    """As OPUS-MT has them: a SentencePiece model a language, and one vocabulary of both, padding last."""
    sides = zip(*shipped_pairs("train", 600))
    models = {f"{side}.spm": _sentencepiece(list(texts), 200) for side, texts in zip(("source", "target"), sides)}
    pieces = ["</s>", "<unk>", ">>fra<<"]
    for model in models.values():
        processor = sentencepiece.SentencePieceProcessor(model_proto=model)
        pieces += [processor.id_to_piece(number) for number in range(len(processor))]
    kept = dict.fromkeys(piece for piece in pieces if piece != "<s>") | {"<pad>": None}
    vocabulary = {piece: number for number, piece in enumerate(kept)}
    return models | {"vocab.json": json.dumps(vocabulary, ensure_ascii=False).encode()}


def tiny_config(**changes) -> TransformerConfig:
    """A Transformer that compiles in a moment."""
    options = dict(num_layers=2, model_dim=16, ff_dim=32, num_heads=2, dropout=0.0) | changes
    return TransformerConfig(**options)


def random_params(model, seed: int = 0, spread: float = 0.3):
    """Parameters far from their initial values, biases and scales too, so that nothing hides behind a zero."""
    params = jax.jit(model.init)(jax.random.key(seed), dummy_batch())["params"]
    leaves, structure = jax.tree.flatten(params)
    keys = jax.random.split(jax.random.key(seed + 1), len(leaves))
    moved = [leaf + spread * jax.random.normal(key, leaf.shape) for leaf, key in zip(leaves, keys)]
    return jax.tree.unflatten(structure, moved)


@pytest.fixture(scope="session")
def tiny():
    """A small model over `VOCAB` tokens, and random parameters."""
    model = tiny_config().build(VOCAB)
    return model, random_params(model)


@pytest.fixture(scope="session")
def tiny_translator(tokenizers) -> Translator:
    """A model that knows nothing, over the tokenizer of the shipped corpus."""
    model = tiny_config().build(len(tokenizers.target))
    config = SearchConfig(beam_size=4, length_penalty=0.7, max_length_offset=4)
    return Translator(model, random_params(model), tokenizers, config, 32)


def make_batch(rows: list[list[tuple[list[int], list[int]]]], source_length: int, target_length: int) -> dict:
    """A training batch written out: each row a list of (source, target) pairs, without eos."""
    fields = [f"{side}_{field}" for side in ("source", "target") for field in ("tokens", "positions", "segments")]
    lengths = {"source": source_length, "target": target_length}
    batch = {f: np.zeros((len(rows), lengths[f.split("_")[0]]), np.int32) for f in [*fields, "target_inputs"]}
    for row, pairs in enumerate(rows):
        begin = {"source": 0, "target": 0}
        for segment, pair in enumerate(pairs, 1):
            for side, tokens in zip(("source", "target"), pair):
                tokens = [*tokens, 2]
                place = slice(begin[side], begin[side] + len(tokens))
                batch[f"{side}_tokens"][row, place] = tokens
                batch[f"{side}_positions"][row, place] = np.arange(len(tokens))
                batch[f"{side}_segments"][row, place] = segment
                if side == "target":
                    batch["target_inputs"][row, place] = [1, *tokens[:-1]]
                begin[side] += len(tokens)
    return {name: jnp.asarray(values) for name, values in batch.items()}
