"""Sentences cut anew, as a function of a seed, and still the same sentences."""

import json
import subprocess
import sys

import numpy as np
import pytest
import sentencepiece

from mt.data.datasets import Languages
from mt.data.subword_sampling import SubwordSamplingConfig, resample
from mt.data.tokenized import FilterConfig, default_cache, tokenized_corpus
from mt.data.tokenizer import Tokenizer, TokenizerConfig
from mt.data.tokenizers import Tokenizers
from mt.errors import UserError
from tests.conftest import shipped_pairs

PAIRS = shipped_pairs("train", 300)


@pytest.fixture(scope="module", params=["unigram", "bpe", "Marian's"])
def of_kind(request, tmp_path_factory, marian_tokenizer_files) -> Tokenizers:
    if request.param == "Marian's":
        return Tokenizers.of_files(marian_tokenizer_files, tmp_path_factory.mktemp("files"))
    texts = [text for pair in PAIRS for text in pair]
    return Tokenizers.shared(Tokenizer.train(texts, TokenizerConfig(vocab_size=500, kind=request.param)))


def test_a_sentence_is_cut_otherwise_and_says_the_same(of_kind):
    texts = [source for source, _ in PAIRS]
    best = of_kind.source.encode(texts)
    one, same, other = (of_kind.source.sample(best, 0.2, seed) for seed in (1, 1, 2))
    assert one == same and one != other and one != best
    assert of_kind.source.decode(one) == of_kind.source.decode(best)
    assert all(each[-1] == 2 for each in one)
    assert sum(map(len, one)) > sum(map(len, best))


def test_it_does_not_depend_on_what_was_drawn_before(tokenizers):
    best = tokenizers.source.encode([source for source, _ in PAIRS])
    first = tokenizers.source.sample(best, 0.2, 5)
    tokenizers.source.sample(best[:7], 0.2, 6)
    assert tokenizers.source.sample(best, 0.2, 5) == first


def test_another_process_draws_the_same(of_kind, tmp_path):
    texts = [source for source, _ in PAIRS[:50]]
    if not hasattr(of_kind.source, "model"):
        pytest.skip("of one file alone")
    (tmp_path / "tokenizer.model").write_bytes(of_kind.source.model)
    program = (
        "import json, sys, sentencepiece; from mt.data.sampled_encoding import sampled_encoding\n"
        "processor = sentencepiece.SentencePieceProcessor(model_file=sys.argv[1])\n"
        "print(json.dumps(sampled_encoding(processor, json.load(sys.stdin), 0.3, 11, int)))"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "tokenizer.model")]
    one, other = (
        subprocess.run(command, input=json.dumps(texts), capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    )
    assert one == other and len(json.loads(one)) == 50


def test_a_sentencepiece_that_cannot_be_seeded_is_refused(tokenizers, monkeypatch):
    monkeypatch.setattr(sentencepiece, "__version__", "0.2.3")
    with pytest.raises(UserError, match="sentencepiece 0.2.3 draws other pieces in each process"):
        tokenizers.source.sample([[5, 2]], 0.1, 1)


def test_no_merge_is_left_out_more_often_than_always():
    texts = [text for pair in PAIRS for text in pair]
    bpe = Tokenizer.train(texts, TokenizerConfig(vocab_size=500, kind="bpe"))
    with pytest.raises(UserError, match="1.5 is the probability that a merge is left out"):
        bpe.sample(bpe.encode(["Hello."]), 1.5, 1)


def test_a_language_code_and_what_has_no_piece_stay(marian_tokenizer_files, tmp_path):
    source = Tokenizers.of_files(marian_tokenizer_files, tmp_path).source
    best = source.encode([">>fra<< Hello, how are you?", "漢字 Hello, how are you?"])
    for seed in range(5):
        code, unknown = source.sample(best, 0.1, seed)
        assert code[0] == best[0][0] and unknown == best[1]


def test_only_the_sides_that_are_asked_for_and_none_too_long(corpus_folder, tokenizers):
    corpus = tokenized_corpus(
        str(corpus_folder), "train", Languages("en", "fr"), tokenizers, FilterConfig(64), default_cache()
    )
    index = np.random.default_rng(0).permutation(len(corpus))[:200]
    which = np.zeros(200, np.int64)
    longest = int(corpus.source.lengths.max())
    found = resample([corpus], which, index, tokenizers, SubwordSamplingConfig(source=0.1), longest, (1, 2))
    for number, pair in enumerate(index):
        for side in ("source", "target"):
            new, old = (
                each.tokens[each.starts[place] :][: each.lengths[place]].tolist()
                for each, place in ((getattr(found, side), number), (getattr(corpus, side), pair))
            )
            tokenizer = getattr(tokenizers, side)
            assert tokenizer.decode([new]) == tokenizer.decode([old]) and new[-1] == 2
            assert side == "source" or new == old
    assert found.source.lengths.max() <= longest
    assert (found.source.lengths != corpus.source.lengths[index]).any()
