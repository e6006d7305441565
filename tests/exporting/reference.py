"""Search for a translation by other toolkits, under the settings of ours that are exact in all of them."""

import jax
import numpy as np
import pytest

from mt import Translator, cli, trained
from tests.conftest import ROOT, shipped_pairs

PAIRS = [pair for pair in shipped_pairs("dev", 1000) if max(map(len, pair)) < 40][:120]
SENTENCES = [source for source, _ in PAIRS]
# By log-probability alone, all agree on when a search may end.
SEARCH = dict(beam_size=3, length_penalty=0.0, min_length=0, max_length_factor=0.0, max_length_offset=30)


def train(folder, corpus, *options):
    """A run of Marian's form that has learnt some French."""
    arguments = ["train", str(ROOT / "configs" / "tatoeba_en_fr_tiny.py"), "--workdir", str(folder)]
    arguments += ["--data.train", str(corpus), "--data.batching.batch-tokens", "768", "--training.steps", "80"]
    arguments += ["--training.evaluate-every", "80", "--training.dev-sentences", "4", "--optimizer.warmup-steps", "20"]
    assert cli.main([*arguments, *options]) == 0
    return folder


def log_probs(run, pairs) -> list[np.ndarray]:
    """Of each pair, the log-probability of each of the target's tokens and its end, given those before it."""
    found = trained.load(run)
    sides = zip(*pairs)
    source, target = (
        side.encode(texts) for side, texts in zip((found.tokenizers.source, found.tokenizers.target), sides)
    )
    model = jax.jit(lambda batch: jax.nn.log_softmax(found.model.apply({"params": found.params}, batch)))
    batch = {}
    for name, ids in (("source", source), ("target", target)):
        tokens = np.zeros((len(pairs), max(map(len, ids))), np.int32)
        for row, each in enumerate(ids):
            tokens[row, : len(each)] = each
        batch[f"{name}_tokens"], batch[f"{name}_segments"] = tokens, (tokens > 0).astype(np.int32)
        batch[f"{name}_positions"] = np.broadcast_to(np.arange(tokens.shape[1], dtype=np.int32), tokens.shape)
    inputs = np.roll(batch["target_tokens"], 1, axis=1)
    inputs[:, 0] = found.tokenizers.start
    logs = np.asarray(model(batch | {"target_inputs": inputs}))
    return [logs[row, np.arange(len(each)), each] for row, each in enumerate(target)]


def hugging_face(folder, sentences, batch=50) -> tuple[list[str], list[float | None]]:
    """Translations by `generate`, and the log-probabilities of those that have ended."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    tokenizer = transformers.MarianTokenizer.from_pretrained(str(folder))
    model = transformers.MarianMTModel.from_pretrained(str(folder)).eval()
    texts, scores = [], []
    for start in range(0, len(sentences), batch):
        inputs = tokenizer(sentences[start : start + batch], return_tensors="pt", padding=True)
        with torch.inference_mode():
            found = model.generate(
                **inputs,
                num_beams=SEARCH["beam_size"],
                length_penalty=0.0,
                early_stopping="never",
                max_new_tokens=SEARCH["max_length_offset"] + 1,
                forced_eos_token_id=None,
                output_scores=True,
                return_dict_in_generate=True,
            )
        texts += tokenizer.batch_decode(found.sequences, skip_special_tokens=True)
        ended = (found.sequences == model.config.eos_token_id).any(1).tolist()
        scores += [score if whole else None for score, whole in zip(found.sequences_scores.tolist(), ended)]
    return texts, scores


def ctranslate2(folder, sentences) -> tuple[list[str], list[float | None]]:
    """Translations by CTranslate2, and the log-probabilities of those that have ended."""
    engine = pytest.importorskip("ctranslate2", reason="CTranslate2 is not installed")
    import sentencepiece

    source, target = (
        sentencepiece.SentencePieceProcessor(model_file=f"{folder}/{side}.spm") for side in ("source", "target")
    )
    found = engine.Translator(str(folder), compute_type="float32").translate_batch(
        source.encode(sentences, out_type=str),
        beam_size=SEARCH["beam_size"],
        length_penalty=0.0,
        min_decoding_length=0,
        max_decoding_length=SEARCH["max_length_offset"] + 1,
        return_scores=True,
    )
    best = [each.hypotheses[0] for each in found]
    ended = [len(pieces) <= SEARCH["max_length_offset"] for pieces in best]
    return target.decode(best), [each.scores[0] if whole else None for each, whole in zip(found, ended)]


def check_same(run, texts, scores):
    """At least 99 of 100 lines are the same, and where one is not, ours is as probable or more.

    Lines that reach the longest length without an end are left out: only we end them there.
    """
    ours = [best for best, *_ in Translator.load(run).n_best(SENTENCES, 1, **SEARCH)]
    ended = [each for each in zip(ours, texts, scores, strict=True) if each[2] is not None]
    assert len(ended) > 60 and len({mine.text for mine, *_ in ended}) > 20, ended[:5]
    different = [each for each in ended if each[0].text != each[1]]
    assert len(different) <= len(ended) / 100, different[:3]
    for mine, theirs, score in ended:
        if mine.text == theirs:
            assert mine.log_prob == pytest.approx(score, abs=1e-3)
        else:
            assert mine.log_prob > score - 1e-3
