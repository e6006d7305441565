import concurrent.futures
import gzip
import lzma
import os

import pytest
import tensorflow_datasets as tfds

from mt.data.datasets import Languages, fingerprint, has_splits, read_pairs
from mt.errors import UserError
from mt.files import in_turn
from tests.conftest import shipped_pairs

EN_FR = Languages("en", "fr")
PAIRS = [("one", "un"), ("two\u2028lines", "deux"), ("three", "trois")]


def _write(path, lines, opener=open):
    with opener(path, "wb") as file:
        file.write("".join(f"{line}\n" for line in lines).encode())


@pytest.mark.parametrize(("suffix", "opener"), [("", open), (".gz", gzip.open), (".xz", lzma.open)])
def test_files_as_people_have_them(tmp_path, suffix, opener):
    for name, lines in zip(("en", "fr"), zip(*PAIRS)):
        _write(tmp_path / f"dev.{name}{suffix}", lines, opener)
    _write(tmp_path / f"pairs.tsv{suffix}", ["\t".join((*pair, "attribution")) for pair in PAIRS], opener)
    two_files = f"{tmp_path}/dev.en{suffix},{tmp_path}/dev.fr{suffix}"
    assert list(read_pairs(str(tmp_path), "dev", EN_FR)) == PAIRS
    assert list(read_pairs(f"{tmp_path}[dev]", "test", EN_FR)) == PAIRS
    assert list(read_pairs(two_files, "train", EN_FR)) == PAIRS
    assert list(read_pairs(f"{tmp_path}/pairs.tsv{suffix}", "train", EN_FR)) == PAIRS
    assert list(read_pairs(str(tmp_path), "dev", Languages("fr", "en"))) == [pair[::-1] for pair in PAIRS]


def test_text_of_one_language(tmp_path):
    french = Languages("", "fr")
    lines = ["un", "deux", "", "trois", "quatre", "  "]
    _write(tmp_path / "train.fr", lines)
    _write(tmp_path / "novels.fr.xz", lines, lzma.open)
    said = [("", line) for line in ("un", "deux", "", "trois", "quatre", "")]  # of nothing at all: between documents
    for corpus in (str(tmp_path), f"{tmp_path}/train.fr", f"{tmp_path}/novels.fr"):
        assert list(read_pairs(corpus, "train", french)) == said
        following = [("un", "deux"), ("", ""), ("trois", "quatre"), ("", "")]
        assert list(read_pairs(corpus, "train", Languages("fr", "fr"))) == following
    assert has_splits(str(tmp_path)) and not has_splits(f"{tmp_path}/novels.fr")
    with pytest.raises(UserError, match="no dev.fr or validation.fr or valid.fr or val.fr "):
        read_pairs(str(tmp_path), "dev", french)
    for corpus in (f"{tmp_path}/a.tsv", f"{tmp_path}/train.fr,{tmp_path}/train.fr"):
        with pytest.raises(UserError, match="holds pairs; text of one language is one file of lines"):
            read_pairs(corpus, "train", french)


def test_a_name_may_have_environment_variables(tmp_path, monkeypatch):
    _write(tmp_path / "a.tsv", ["\t".join(pair) for pair in PAIRS])
    monkeypatch.setenv("MINE", str(tmp_path))
    assert list(read_pairs("$MINE/a.tsv", "train", EN_FR)) == PAIRS and not has_splits("${MINE}/a.tsv")
    monkeypatch.delenv("MINE")
    with pytest.raises(UserError, match="corpus '\\$MINE/a.tsv': the environment variable MINE is not set"):
        read_pairs("$MINE/a.tsv", "train", EN_FR)


def test_crlf_and_a_byte_order_mark_are_no_text(tmp_path):
    (tmp_path / "a.tsv").write_bytes(b"\xef\xbb\xbfone\tun\r\ntwo\tdeux\r\n")
    assert list(read_pairs(str(tmp_path / "a.tsv"), "train", EN_FR)) == [("one", "un"), ("two", "deux")]


@pytest.mark.parametrize(("source", "target", "counts"), [(3, 2, "3 .* 2"), (1, 4, "1 .* 4")])
def test_unequal_counts_name_both_files_and_both_counts(tmp_path, source, target, counts):
    _write(tmp_path / "a.en", ["x"] * source)
    _write(tmp_path / "a.fr", ["y"] * target)
    with pytest.raises(UserError, match=f"a.en has {counts.split()[0]} lines and .*a.fr has {counts.split()[2]}"):
        list(read_pairs(f"{tmp_path}/a.en,{tmp_path}/a.fr", "train", EN_FR))


def test_bad_utf8_names_file_and_line(tmp_path):
    (tmp_path / "a.tsv").write_bytes("ça\tva\n".encode() + b"\xe9t\xe9\tsummer\n")
    with pytest.raises(UserError, match=r"a\.tsv, line 2: not valid UTF-8 \(byte 0xe9"):
        list(read_pairs(str(tmp_path / "a.tsv"), "train", EN_FR))


@pytest.mark.parametrize(
    ("corpus", "message"),
    [
        ("nowhere/a.en,nowhere/a.fr", "a.en: no such file"),
        ("nowhere/a.tsv", "a.tsv: no such file"),
        ("./nowhere", "no such file or folder"),
        ("wmt14_translat/fr-en", "did you mean wmt14_translate"),
        ("tatoeba_en_fr[tets]", "no split tets"),
        ("tatoeba_en_fr[test", "bracket"),
        ("a,b,c", "3 files"),
    ],
)
def test_what_is_not_there_is_named(corpus, message):
    with pytest.raises(UserError, match=message):
        list(read_pairs(corpus, "train", EN_FR))


def test_a_pipe_is_not_said_to_be_missing(tmp_path):
    os.mkfifo(tmp_path / "a.tsv")
    with pytest.raises(UserError, match="a.tsv: a pipe, which can be read but once"):
        list(read_pairs(str(tmp_path / "a.tsv"), "train", EN_FR))


def test_folders_without_a_side_or_split(tmp_path):
    _write(tmp_path / "train.en", ["x"])
    with pytest.raises(UserError, match="no partner .*train.fr"):
        list(read_pairs(str(tmp_path), "train", EN_FR))
    with pytest.raises(UserError, match="no dev.en or validation.en"):
        list(read_pairs(str(tmp_path), "dev", EN_FR))


def test_a_damaged_archive_is_named(tmp_path):
    (tmp_path / "a.tsv.gz").write_bytes(gzip.compress(b"one\tun\n" * 1000)[:40])
    with pytest.raises(UserError, match="a.tsv.gz: cannot read"):
        list(read_pairs(str(tmp_path / "a.tsv.gz"), "train", EN_FR))


def test_a_line_without_tab_is_named(tmp_path):
    _write(tmp_path / "a.tsv", ["one\tun", "two deux"])
    with pytest.raises(UserError, match="a.tsv, line 2: no tab"):
        list(read_pairs(str(tmp_path / "a.tsv"), "train", EN_FR))


def test_fingerprint_changes_with_the_file(tmp_path):
    _write(tmp_path / "a.tsv", ["one\tun"])
    before = fingerprint(str(tmp_path / "a.tsv"), "train", EN_FR)
    _write(tmp_path / "a.tsv", ["one\tdeux"])
    assert fingerprint(str(tmp_path / "a.tsv"), "train", EN_FR) != before


def test_the_shipped_corpus_is_whole():
    for split, count in (("train", 146_499), ("dev", 2_000), ("test", 2_000)):
        pairs = list(read_pairs("tatoeba_en_fr", split, EN_FR))
        assert len(pairs) == count
        assert set(shipped_pairs(split, 50)) <= set(pairs)


class FrEnTest(tfds.core.GeneratorBasedBuilder):
    """As TFDS has WMT: French first, and supervised from French to English."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        languages = ("fr", "en")
        features = tfds.features.Translation(languages)
        return tfds.core.DatasetInfo(builder=self, features=features, supervised_keys=languages)

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        for number, (english, french) in enumerate(PAIRS):
            yield number, {"en": english, "fr": french}


class TextTest(tfds.core.GeneratorBasedBuilder):
    """As TFDS has language models' corpora: documents of several lines."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict({"text": tfds.features.Text()}))

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        yield 0, {"text": "one\u2028still one\ntwo\n\nthree"}


def test_tfds_has_text_too():
    read = [text for _, text in read_pairs("text_test", "train", Languages("", "en"))]
    assert [text for text in read if text] == ["one\u2028still one", "two", "three"]
    assert read.count("") == 2  # each example is a document
    english = [text for _, text in read_pairs("fr_en_test", "train", Languages("", "en")) if text]
    assert sorted(english) == sorted(pair[0] for pair in PAIRS)
    with pytest.raises(UserError, match="no language 'fr'; it has text"):
        list(read_pairs("text_test", "train", Languages("fr", "en")))


def test_tfds_direction_is_the_one_that_is_asked_for():
    assert set(read_pairs("fr_en_test", "train", EN_FR)) == set(PAIRS)
    assert set(read_pairs("fr_en_test", "train", Languages("fr", "en"))) == {pair[::-1] for pair in PAIRS}
    with pytest.raises(UserError, match="no language 'de'; it has fr, en"):
        list(read_pairs("fr_en_test", "train", Languages("en", "de")))


def test_without_a_network_one_sentence(monkeypatch):
    def refuse(*rest, **more):
        raise ConnectionError("Name or service not known")

    monkeypatch.setattr(tfds.core.DatasetBuilder, "is_prepared", lambda builder: False)
    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", refuse)
    with pytest.raises(UserError, match="could not be downloaded .*Name or service not known.*check the network"):
        list(read_pairs("fr_en_test", "train", EN_FR))


@pytest.fixture
def small_multi30k(tmp_path, monkeypatch):
    """$MT_CORPORA without a multi30k yet, and a TFDS folder of its own; call it to put three pairs a split there."""
    import mt.data.tensorflow

    mt.data.tensorflow.import_tensorflow_datasets()
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(tmp_path / "tfds"))
    monkeypatch.setenv("MT_CORPORA", str(tmp_path))

    def put():
        (tmp_path / "multi30k").mkdir()
        for split in ("train", "val", "test_2016_flickr"):
            for language in ("en", "fr", "de"):
                path = tmp_path / "multi30k" / f"{split}.{language}.gz"
                _write(path, [f"{split} {language} {n}" for n in range(3)], gzip.open)

    return put


def test_multi30k_is_read_from_the_folder_that_it_was_put_into(small_multi30k):
    with pytest.raises(UserError, match="put train, val and test_2016_flickr"):
        list(read_pairs("multi30k", "train", EN_FR))
    small_multi30k()
    assert set(read_pairs("multi30k", "dev", Languages("en", "de"))) == {
        (f"val en {n}", f"val de {n}") for n in range(3)
    }
    assert len(list(read_pairs("multi30k[test_2016_flickr]", "test", EN_FR))) == 3


def test_two_that_need_a_dataset_at_once_prepare_it_one_after_the_other(small_multi30k, tmp_path):
    small_multi30k()
    prepared = tmp_path / "tfds" / "multi30k"
    with concurrent.futures.ThreadPoolExecutor(1) as pool, in_turn(prepared):
        other = pool.submit(lambda: list(read_pairs("multi30k", "train", EN_FR)))
        with pytest.raises(TimeoutError):
            other.result(timeout=2)
        assert not list(prepared.glob("*.*.*"))
        tfds.builder("multi30k").download_and_prepare()
        done = list(prepared.glob("*.*.*"))
        written = done[0].stat().st_mtime_ns
    assert len(other.result(timeout=60)) == 3 and done[0].stat().st_mtime_ns == written
