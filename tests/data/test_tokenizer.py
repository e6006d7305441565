import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mt.data.tokenizer import EOS, Tokenizer, TokenizerConfig
from mt.errors import UserError
from tests.conftest import shipped_pairs


def test_round_trip_of_any_character(tokenizer):
    texts = ["Ça va ?", "Où est l'œuf ?", "日本語 🙂", "a\u0301"]
    for text, ids in zip(texts, tokenizer.encode(texts), strict=True):
        assert ids[-1] == EOS and 3 not in ids  # nothing is unknown: bytes stand in
        assert tokenizer.decode([ids]) == [text.replace("a\u0301", "á")]  # NFKC composes


def test_training_is_repeatable(tokenizer):
    texts = [text for pair in shipped_pairs("train", 600) for text in pair]
    assert Tokenizer.train(texts, TokenizerConfig(vocab_size=400)).sha256 == tokenizer.sha256


def test_bpe_by_option():
    texts = [text for pair in shipped_pairs("train", 300) for text in pair]
    bpe = Tokenizer.train(texts, TokenizerConfig(vocab_size=400, kind="bpe"))
    assert bpe.decode(bpe.encode(["Je ne sais pas."])) == ["Je ne sais pas."]


def test_symbols_are_never_cut():
    texts = [text for pair in shipped_pairs("train", 300) for text in pair]
    found = Tokenizer.train(texts, TokenizerConfig(vocab_size=400, symbols=("<BT>",)))
    (ids,) = found.encode(["<BT> Je ne sais pas."])
    assert "<BT>" in found.pieces(ids) and found.decode([ids]) == ["<BT> Je ne sais pas."]


def test_a_small_corpus_gives_a_smaller_vocabulary():
    assert len(Tokenizer.train(["a b c", "d e"], TokenizerConfig(vocab_size=5000))) < 5000


def test_another_tokenizer_is_refused(tokenizer, tmp_path):
    path = tmp_path / "tokenizer.model"
    path.write_bytes(tokenizer.model)
    assert Tokenizer.load(path, tokenizer.sha256).sha256 == tokenizer.sha256
    with pytest.raises(UserError, match="not the tokenizer that this model was trained with"):
        Tokenizer.load(path, "0" * 64)
    path.write_bytes(tokenizer.model[:100])
    with pytest.raises(UserError, match="not a SentencePiece model"):
        Tokenizer.load(path)


@given(st.lists(st.text(max_size=40), max_size=5))
@settings(max_examples=200, deadline=None)
def test_what_is_decoded_is_encoded_as_before(tokenizer, texts):
    encoded = tokenizer.encode(texts)
    assert all(ids[-1] == EOS and 3 not in ids for ids in encoded)
    once = tokenizer.decode(encoded)
    assert tokenizer.decode(tokenizer.encode(once)) == once
