"""Documents stay in one piece: each row of a batch goes on where that row of the batch before has ended."""

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mt.config import RunConfig
from mt.data.batching import BatchingConfig, Shape, plan_documents
from mt.data.data_config import DataConfig
from mt.data.datasets import Languages, read_pairs
from mt.data.pipeline import Position, TrainingData
from mt.data.stretches import in_pieces, in_stretches
from mt.data.tokenized import FilterConfig, TokenizedCorpus, gather, pack
from mt.errors import UserError
from mt.models.document_transformer import DocumentTransformerConfig
from tests.conftest import shipped_pairs

SIZES = st.lists(st.tuples(st.integers(0, 9), st.integers(2, 9), st.booleans()), min_size=1, max_size=50)


@given(SIZES, st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_a_row_has_its_share_of_the_pairs_in_their_order(sizes, rows):
    source, target = (np.array([each[side] for each in sizes]) for side in range(2))
    documents = np.cumsum([each[2] for each in sizes]) + 1
    plan = plan_documents(source, target, documents, Shape(rows, 12, 10))
    assert sorted(plan.pair) == list(range(len(sizes)))
    batch = np.repeat(np.arange(len(plan.shapes)), np.diff(plan.starts))
    np.testing.assert_array_equal(plan.document, documents[plan.pair])
    for row in range(rows):
        own = plan.row == row
        pairs = plan.pair[own]
        np.testing.assert_array_equal(pairs, np.arange(len(pairs)) + (pairs[0] if len(pairs) else 0))
        assert np.all(np.diff(batch[own]) <= 1) and (not own.any() or batch[own][0] == 0)
        for number in set(batch[own]):
            inside = own & (batch == number)
            np.testing.assert_array_equal(plan.segment[inside], np.arange(inside.sum()) + 1)
            for lengths, offsets, room in ((source, plan.source_offset, 12), (target, plan.target_offset, 10)):
                used = np.cumsum(lengths[plan.pair[inside]])
                np.testing.assert_array_equal(offsets[inside], used - lengths[plan.pair[inside]])
                assert used[-1] <= room


@given(SIZES, st.integers(1, 4), st.integers(0, 3))
@settings(max_examples=30, deadline=None)
def test_shuffled_rows_are_the_same_rows_elsewhere(sizes, rows, seed):
    source, target = (np.array([each[side] for each in sizes]) for side in range(2))
    documents = np.cumsum([each[2] for each in sizes]) + 1
    given = source, target, documents, Shape(rows, 12, 10)

    def rows_of(plan):
        batch = np.repeat(np.arange(len(plan.shapes)), np.diff(plan.starts))
        places = list(zip(batch.tolist(), plan.row.tolist()))
        fields = plan.pair, plan.segment, plan.source_offset, plan.target_offset, plan.document
        found = {place: [] for place in places}
        for place, *item in zip(places, *(field.tolist() for field in fields)):
            found[place].append(tuple(item))
        return found

    plain, shuffled = rows_of(plan_documents(*given)), rows_of(plan_documents(*given, seed))
    assert sorted(map(tuple, plain.values())) == sorted(map(tuple, shuffled.values()))
    assert all(0 <= row < rows for _, row in shuffled)
    if len(plain) > 20:
        assert list(plain.values()) != list(shuffled.values())


@pytest.fixture(scope="module")
def novels(tmp_path_factory):
    """30 documents of 1 to 12 lines, in two languages."""
    folder = tmp_path_factory.mktemp("novels")
    pairs = iter(shipped_pairs("train", 300))
    documents = [[next(pairs) for _ in range(1 + number % 12)] for number in range(30)]
    for side, language in enumerate(("en", "fr")):
        texts = ["".join(f"{pair[side]}\n" for pair in document) for document in documents]
        (folder / f"train.{language}").write_text("\n".join(texts))
    return folder, documents


def test_whole_documents_are_one_pair_each(novels):
    folder, documents = novels
    joined = [tuple(" ".join(side) for side in zip(*document)) for document in documents]
    assert list(read_pairs(str(folder), "train", Languages("en", "fr", whole_documents=True))) == joined
    of_french = read_pairs(str(folder), "train", Languages("", "fr", whole_documents=True))
    assert list(of_french) == [("", french) for _, french in joined]
    with pytest.raises(UserError, match="data.whole_documents: leaves no lines"):
        DataConfig(whole_documents=True, batching=BatchingConfig("documents"))


@given(SIZES, st.integers(10, 30), st.booleans())
@settings(max_examples=60, deadline=None)
def test_documents_longer_than_a_row_are_cut_between_lines(sizes, longest, sourceless):
    numbers = itertools.count(3)

    def line(size):
        return np.array([*itertools.islice(numbers, size - 1), 2], np.uint16)

    nothing = np.array([], np.uint16)
    pairs = [(nothing if sourceless else line(max(1, source)), line(target)) for source, target, _ in sizes]
    sides = [pack([pair[side] for pair in pairs]) for side in range(2)]
    documents = np.cumsum([each[2] for each in sizes])
    found = in_stretches(TokenizedCorpus(*sides, {}, 1, documents), longest)
    # By the definition: line after line into the last pair, while it is of the same document and both sides fit.
    expected = []
    for document, pair in zip(documents, pairs):
        bare = [side[:-1].tolist() for side in pair]
        if expected and expected[-1][0] == document:
            both = [old + new for old, new in zip(expected[-1][1:], bare)]
            if all(len(each) < longest for each in both):
                expected[-1][1:] = both
                continue
        expected.append([document, *bare])
    np.testing.assert_array_equal(found.documents, [document for document, *_ in expected])
    every = np.arange(len(found))
    for number, name in enumerate(("source", "target")):
        end = [2] * (number or not sourceless)
        got = gather([found], np.zeros_like(every), every, name)
        assert [each.tolist() for each in got] == [each[1 + number] + end for each in expected]


def test_stretches_of_each_order_of_magnitude_have_as_many_tokens():
    lines = pack([np.array([3, 2], np.uint16)] * 400_000)  # a token a line, all of one document
    corpus = TokenizedCorpus(lines, lines, {}, 1, np.zeros(400_000, np.int32))
    found = in_stretches(corpus, 1024, 16, seed=1)
    lengths = found.target.lengths[:-1]  # what is left makes the last one
    assert 16 <= lengths.min() < 20 and 900 < lengths.max() <= 1024
    assert lengths.sum() - len(lengths) + found.target.lengths[-1] - 1 == 400_000
    bounds = np.geomspace(16, 1024, 7)
    shares = np.histogram(lengths, bounds, weights=lengths)[0] / lengths.sum()
    np.testing.assert_allclose(shares, 1 / 6, atol=0.03)
    assert np.array_equal(in_stretches(corpus, 1024, 16, seed=1).target.starts, found.target.starts)
    assert not np.array_equal(in_stretches(corpus, 1024, 16, seed=2).target.lengths[:9], lengths[:9])


@given(st.lists(st.tuples(st.integers(1, 40), st.booleans()), min_size=1, max_size=30), st.integers(1, 12))
@settings(max_examples=60, deadline=None)
def test_long_lines_of_text_go_on_in_pieces(lines, longest):
    numbers = itertools.count(3)
    text = [np.array([*itertools.islice(numbers, size - 1), 2], np.uint16) for size, _ in lines]
    documents = np.cumsum([starts for _, starts in lines])
    nothing = pack([np.array([], np.uint16)] * len(text))
    found = in_pieces(TokenizedCorpus(nothing, pack(text), {}, 1, documents), longest)
    expected = [
        (document, line[start : start + longest].tolist())
        for document, line in zip(documents, text)
        for start in range(0, len(line), longest)
    ]
    pieces = gather([found], np.zeros(len(found), int), np.arange(len(found)), "target")
    assert [(document, piece.tolist()) for document, piece in zip(found.documents, pieces)] == expected
    assert not found.source.lengths.any()


def test_text_in_its_order_has_no_gaps(novels, tokenizers, tmp_path):
    folder, documents = novels
    lines = [line for document in documents for _, line in document]
    batching = BatchingConfig("documents", batch_tokens=64, row_length=16, row_multiple=1)
    config = DataConfig("", "fr", (str(folder),), batching=batching, cache=str(tmp_path))
    assert max(map(len, tokenizers.target.encode(lines))) > 16
    whole = TrainingData(dataclasses.replace(config, filter=FilterConfig(duplicates="keep")), tokenizers, seed=0)
    sides = gather(whole.corpora, np.zeros(len(whole.corpora[0]), int), np.arange(len(whole.corpora[0])), "target")
    assert np.concatenate(sides).tolist() == sum(tokenizers.target.encode(lines), [])
    assert not any("gaps" in line for line in whole.report())
    assert "lines kept" in next(whole.report())
    (tmp_path / "twice.fr").write_text("Va !\nIci.\nVa !\n")
    gaps = TrainingData(dataclasses.replace(config, train=(str(tmp_path / "twice.fr"),)), tokenizers, seed=0)
    assert any("the duplicates leave gaps" in line for line in gaps.report())
    short = TrainingData(dataclasses.replace(config, filter=FilterConfig(max_length=16)), tokenizers, seed=0)
    assert short.corpora[0].counts["too long"]  # what is asked for is left out as ever


def test_a_cut_line_has_no_end_in_its_middle_when_it_is_cut_into_other_pieces(tokenizer):
    line = tokenizer.encode(["Il est mon ami."])[0]
    sampled = tokenizer.sample([line[:3], line[3:]], strength=0.5, seed=1)
    assert sampled[0] == line[:3] and sampled[1][-1] == line[-1]


def test_stretches_that_cannot_be_are_refused():
    with pytest.raises(UserError, match="data.shortest_stretch: is of whole documents"):
        DataConfig(shortest_stretch=64)
    with pytest.raises(UserError, match="data.shortest_stretch: 300 is not between 0 and 256, the longest"):
        DataConfig(whole_documents=True, shortest_stretch=300)


def test_training_joins_lines_as_the_text_of_whole_documents_is_tokenized(novels, tokenizers, tmp_path):
    folder, documents = novels
    config = DataConfig(
        train=(str(folder),),
        whole_documents=True,
        filter=FilterConfig(duplicates="keep"),
        batching=BatchingConfig(batch_tokens=512, row_length=512, row_multiple=1),
        cache=str(tmp_path),
    )
    data = TrainingData(config, tokenizers, seed=0)
    assert len(data.corpora[0]) == len(documents)
    for side, name in enumerate(("source", "target")):
        got = gather(data.corpora, np.zeros(len(documents), int), np.arange(len(documents)), name)
        texts = [" ".join(pair[side] for pair in document) for document in documents]
        assert [each.tolist() for each in got] == getattr(tokenizers, name).encode(texts)
    assert next(data.report()).startswith(f"{folder}: {sum(map(len, documents))} of ")
    assert f"as {len(documents)} stretches of documents" in next(data.report())


def test_empty_lines_part_documents(novels):
    folder, documents = novels
    for languages in (Languages("en", "fr"), Languages("", "fr")):
        pairs = list(read_pairs(str(folder), "train", languages))
        assert pairs.count(("", "")) == 29
        assert [pair[1] for pair in pairs if pair[1]] == [french for each in documents for _, french in each]


@pytest.mark.parametrize("source", ["en", ""])
def test_an_epoch_has_every_document_once_in_one_piece(novels, tokenizers, source):
    folder, documents = novels
    batching = BatchingConfig("documents", batch_tokens=512, row_length=128, row_multiple=4)
    filters = dataclasses.replace(DataConfig().filter, duplicates="keep", max_ratio=1000)
    config = DataConfig(source, "fr", train=(str(folder),), batching=batching, filter=filters)
    data = TrainingData(config, tokenizers, seed=1)
    batches = data.batches(Position())
    rows = [[] for _ in range(4)]  # each: (epoch, document, line) in turn
    seen = []
    for position, batch in batches:
        seen.append((position, batch))
        for row in range(4):
            segments = batch["target_segments"][row]
            for number in range(1, segments.max() + 1):
                place = segments == number
                (document,) = set(batch["target_documents"][row][place].tolist())
                if source:
                    of_source = batch["source_documents"][row][batch["source_segments"][row] == number]
                    assert set(of_source.tolist()) == {document}
                rows[row].append((document, tuple(batch["target_tokens"][row][place].tolist())))
        if position.epoch == 2 and position.batch == 0:
            break
    ids = {tuple(tuple(line) for line in tokenizers.target.encode([fr for _, fr in each])) for each in documents}
    found = {}
    for row in rows:
        for document, line in row:
            found.setdefault(document, []).append(line)
    # A row's share may begin within a document, so that another row has its beginning.
    whole = sum(tuple(lines) in ids for lines in found.values())
    assert len(found) == 60 and whole == 60  # in the order of rows, parts of a document meet again
    epochs = [[document <= 30 for document, _ in row] for row in rows]
    assert all(row == sorted(row, reverse=True) for row in epochs)  # one epoch after the other, with other numbers
    for start in (0, 3):
        resumed = TrainingData(config, tokenizers, seed=1).batches(seen[start][0])
        for (position, batch), (expected_position, expected) in zip(resumed, seen[start + 1 : start + 4]):
            assert position == expected_position
            assert all(np.array_equal(batch[name], expected[name]) for name in expected)
        resumed.close()


def test_every_other_row_goes_backwards(novels, tokenizers):
    batching = BatchingConfig("documents", batch_tokens=512, row_length=128, row_multiple=4)
    config = DataConfig("", "fr", train=(str(novels[0]),), batching=batching)
    forth = TrainingData(config, tokenizers, seed=1)
    batching = dataclasses.replace(batching, backwards=True)
    mixed = dataclasses.replace(config, batching=batching)
    both = TrainingData(mixed, tokenizers, seed=1)
    read = {}
    for name, data in (("forth", forth), ("both", both)):
        rows = read[name] = [[] for _ in range(4)]
        for position, batch in data.batches(Position()):
            for row in range(4):
                there = batch["target_segments"][row] > 0
                assert not np.any(there[1:] & ~there[:-1])  # padding stands last
                fields = [batch[f"target_{field}"][row][there] for field in ("tokens", "documents")]
                rows[row] += zip(*map(np.ndarray.tolist, fields))
            if name == "both":
                assert batch["backwards"].tolist() == [0, 1, 0, 1]
            if position.epoch:
                break
    for row in range(4):
        assert read["both"][row] == read["forth"][row][:: -1 if row % 2 else 1]
    shares = [TrainingData(mixed, tokenizers, 1, 2, share) for share in (0, 1)]
    whole, halves = both.load(Position(0, 0, 2)), [each.load(Position(0, 0, 2)) for each in shares]
    for name, values in whole.items():
        np.testing.assert_array_equal(np.concatenate([each[name] for each in halves]), values)


def test_documents_are_not_joined_at_random():
    with pytest.raises(UserError, match="data.augmentation.joined: joins any two pairs"):
        joined = dataclasses.replace(DataConfig().augmentation, joined=0.1)
        DataConfig(augmentation=joined, batching=BatchingConfig("documents"))


def test_rows_that_are_remembered_are_not_shuffled():
    with pytest.raises(UserError, match="data.batching.shuffle_rows: is for data.batching.kind documents"):
        BatchingConfig("packing", shuffle_rows=True)
    with pytest.raises(UserError, match="data.batching.shuffle_rows: leaves nothing that a model could remember"):
        RunConfig(
            model=DocumentTransformerConfig(memory_length=8),
            data=DataConfig(batching=BatchingConfig("documents", shuffle_rows=True)),
        )
