import collections
import dataclasses
import itertools

import numpy as np
import pytest

from mt.data.batching import BatchingConfig
from mt.data.data_config import DataConfig
from mt.data.infilling import InfillingConfig
from mt.data.pipeline import Position, TrainingData
from mt.data.subword_sampling import SubwordSamplingConfig
from mt.data.tokenized import FilterConfig, default_cache, tokenized_corpus
from mt.data.tokenizer import Tokenizer, TokenizerConfig
from mt.data.tokenizers import Tokenizers
from mt.errors import UserError
from tests.conftest import shipped_pairs


def _config(folder, kind="packing", **more):
    batching = BatchingConfig(kind, batch_tokens=512, row_length=64, num_buckets=3, row_multiple=4)
    return DataConfig(train=(str(folder),), batching=batching, **more)


def _take(data, count, position=None):
    batches = data.batches(position or Position())
    taken = list(itertools.islice(batches, count))
    batches.close()
    return taken


def _same(one, other):
    return all(np.array_equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(
    "sampling", [SubwordSamplingConfig(), SubwordSamplingConfig(0.3, 0.3)], ids=["plain", "sampled"]
)
@pytest.mark.parametrize("kind", ["packing", "buckets"])
def test_from_any_position_the_same_batches_follow(corpus_folder, tokenizers, kind, sampling):
    config = _config(corpus_folder, kind, sampling=sampling)
    data = TrainingData(config, tokenizers, seed=1)
    whole = _take(data, 90)
    assert whole[-1][0].epoch >= 1  # into the second epoch
    for start in (0, 17, 60):
        resumed = _take(TrainingData(config, tokenizers, seed=1), 20, whole[start][0])
        for (position, batch), (expected_position, expected) in zip(resumed, whole[start + 1 :]):
            assert position == expected_position
            assert _same(batch, expected)
    other = _take(TrainingData(config, tokenizers, seed=2), 1)
    assert not _same(other[0][1], whole[0][1])


@pytest.mark.parametrize(
    "sampling", [SubwordSamplingConfig(), SubwordSamplingConfig(source=0.3)], ids=["plain", "sampled"]
)
def test_hosts_share_the_batches_of_one(corpus_folder, tokenizers, sampling):
    config = _config(corpus_folder, sampling=sampling)
    one = _take(TrainingData(config, tokenizers, seed=1), 5)
    two = [_take(TrainingData(config, tokenizers, seed=1, shares=2, share=share), 5) for share in range(2)]
    for number in range(5):
        for name, rows in one[number][1].items():
            np.testing.assert_array_equal(np.concatenate([two[0][number][1][name], two[1][number][1][name]]), rows)


def test_filters_count_what_they_leave_out(tokenizers, tmp_path):
    pairs = shipped_pairs("train", 20)
    lines = [*pairs, pairs[3], ("", "vide"), ("word " * 200, "mot " * 200), ("yes", "oui " * 20)]
    (tmp_path / "a.tsv").write_text("".join(f"{source}\t{target}\n" for source, target in lines))
    found = tokenized_corpus(
        str(tmp_path / "a.tsv"),
        "train",
        DataConfig().languages,
        tokenizers,
        FilterConfig(max_length=100, max_ratio=4.0),
        default_cache(),
    )
    assert found.counts == {"read": 24, "empty": 1, "too long": 1, "badly proportioned": 1, "duplicate": 1}
    assert len(found) == 20
    side = found.target
    ids = [side.tokens[start : start + length].tolist() for start, length in zip(side.starts, side.lengths)]
    assert ids == tokenizers.target.encode([target for _, target in pairs])


def test_the_second_start_reads_the_cache(corpus_folder, tokenizers, monkeypatch):
    config = _config(corpus_folder)
    TrainingData(config, tokenizers, seed=1)
    monkeypatch.setattr(type(tokenizers.source), "encode", None)
    TrainingData(config, tokenizers, seed=1)
    with pytest.raises(TypeError):
        TrainingData(_config(corpus_folder, filter=FilterConfig(max_ratio=3.5)), tokenizers, seed=1)


def test_an_empty_corpus_is_named(tokenizers, tmp_path):
    (tmp_path / "a.tsv").write_text("")
    with pytest.raises(UserError, match=r"a\.tsv.* has no train pair to use"):
        TrainingData(DataConfig(train=(str(tmp_path / "a.tsv"),)), tokenizers, seed=1)


def test_a_file_has_no_dev_part():
    with pytest.raises(UserError, match="data.dev: name a corpus"):
        DataConfig(train=("a.tsv",)).corpus("dev")
    assert DataConfig(train=("wmt14_translate/fr-en[train[:1%]]",)).corpus("dev") == "wmt14_translate/fr-en"


def test_batches_of_the_shipped_corpus_are_full(tokenizers):
    """At least 90% of target positions are tokens, both ways."""
    for kind in ("packing", "buckets"):
        batching = BatchingConfig(kind, batch_tokens=4096, row_length=128, row_multiple=1)
        assert TrainingData(DataConfig(batching=batching), tokenizers, seed=0).fill() > 0.9, kind


@pytest.mark.parametrize("kind", ["packing", "buckets"])
def test_text_has_no_source_in_any_batch(corpus_folder, tokenizers, kind):
    config = dataclasses.replace(_config(corpus_folder, kind), source_language="")
    data = TrainingData(config, tokenizers, seed=1)
    assert {shape.source_length for shape in data.shapes} == {0}
    seen = collections.Counter()
    for position, batch in data.batches(Position()):
        assert batch["source_tokens"].shape == (len(batch["target_tokens"]), 0)
        for tokens, segments in zip(batch["target_tokens"], batch["target_segments"]):
            seen.update(tuple(tokens[segments == number].tolist()) for number in range(1, segments.max() + 1))
        if position.epoch:
            break
    lines = dict.fromkeys(french for _, french in shipped_pairs("train", 600))
    tokens = [ids for ids in map(tuple, tokenizers.target.encode(list(lines))) if len(ids) <= 64]
    assert seen == collections.Counter(tokens)


def test_infilled_text_is_another_each_epoch_and_the_same_from_any_position(corpus_folder):
    texts = [text for pair in shipped_pairs("train", 600) for text in pair]
    masking = Tokenizers.shared(Tokenizer.train(texts, TokenizerConfig(vocab_size=400, symbols=("<mask>",))))
    config = dataclasses.replace(_config(corpus_folder), source_language="", infilling=InfillingConfig(0.35))
    data = TrainingData(config, masking, seed=1)
    whole = _take(data, 60)
    assert whole[-1][0].epoch >= 1
    for start in (0, 40):
        resumed = _take(TrainingData(config, masking, seed=1), 10, whole[start][0])
        for (position, batch), (expected_position, expected) in zip(resumed, whole[start + 1 :]):
            assert position == expected_position and _same(batch, expected)
    first, second = {}, {}
    for position, batch in [(Position(), None), *whole]:
        if batch is None:
            before = position
            continue
        found = first if before.epoch == 0 else second
        for row in range(len(batch["target_tokens"])):
            for number in range(1, batch["target_segments"][row].max() + 1):
                sides = (
                    tuple(batch[f"{side}_tokens"][row][batch[f"{side}_segments"][row] == number].tolist())
                    for side in ("target", "source")
                )
                found.update([tuple(sides)])
        before = position
    both = first.keys() & second.keys()
    assert len(both) > 100
    assert sum(first[target] != second[target] for target in both) > 0.8 * len(both)
    assert all(4 in source for source in first.values() if len(source) > 12)


def test_what_text_cannot_be_asked_for_is_said(corpus_folder):
    with pytest.raises(UserError, match="data.infilling: is of text alone"):
        _config(corpus_folder, infilling=InfillingConfig(0.3))
    with pytest.raises(UserError, match="data.sampling.source, data.augmentation: need a source"):
        dataclasses.replace(_config(corpus_folder, sampling=SubwordSamplingConfig(source=0.1)), source_language="")
    with pytest.raises(UserError, match="data.target_language: is empty"):
        dataclasses.replace(_config(corpus_folder), target_language="")
