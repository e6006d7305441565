"""Where sentence pairs and text come from: TensorFlow Datasets by name, or text files as people have them."""

import contextlib
import dataclasses
import functools
import itertools
import os
import pathlib
import re
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from mt.data import text
from mt.data.tensorflow import import_tensorflow_datasets
from mt.errors import UserError, nearest
from mt.files import in_turn, why_not_a_file

# What people call the three splits, the usual name first.
SPLIT_NAMES = {
    "train": ("train",),
    "dev": ("dev", "validation", "valid", "val"),
    "test": ("test",),
}
_TABLE = re.compile(r"\.(tsv|tab)(\.gz|\.xz)?$")
_TFDS_NAME = re.compile(r"[\w.:-]+(/[\w.:-]+)*")


@dataclasses.dataclass(frozen=True)
class Languages:
    """What is read of a corpus: the direction of translation, as codes that files and datasets use ("en", "fr").

    Attributes:
        source: what is translated. "" is nothing: the pairs are then of the target's text and an empty source. The
            target itself: each line of the target's text is then the source of the line after it in its document.
        target: what it is translated into.
        whole_documents: whether all lines of a document are one, with spaces between them.
    """

    source: str
    target: str
    whole_documents: bool = False

    @property
    def both(self) -> tuple[str, str]:
        """Source and target."""
        return self.source, self.target

    @property
    def alone(self) -> bool:
        """Whether text of one language is read."""
        return self.source in ("", self.target)


def read_pairs(corpus: str, split: str, languages: Languages) -> Iterator[tuple[str, str]]:
    """The pairs of one split of a corpus, in its order. One that is blank on both sides parts two documents.

    Args:
        corpus: one of
            a folder that has SPLIT.SOURCE and SPLIT.TARGET (say train.en and train.fr),
            a file of tab-separated pairs, source first (.tsv),
            two aligned files with a comma between them, source first,
            the name of a TFDS dataset ("wmt14_translate/fr-en").
            Of text in one language: a folder that has SPLIT.TARGET, a file of lines, in which empty ones part
            documents, or a TFDS dataset with a feature of the language's name or "text".
            Files may be compressed (.gz, .xz), and $NAME is an environment variable's value. "[NAME]" at the end takes
            that split in place of `split` ("multi30k[test_2016_flickr]", "wmt14_translate/fr-en[train[:1%]]").
        split: "train", "dev" or "test".
        languages: from what into what.

    Raises:
        UserError: the corpus or the split does not exist, or cannot be read.
    """
    pairs = _open(corpus, split, languages).pairs()
    return _whole_documents(pairs) if languages.whole_documents else pairs


def _whole_documents(pairs: Iterator[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    together: list[tuple[str, str]] = []
    for pair in itertools.chain(pairs, [("", "")]):
        if any(map(str.strip, pair)):
            together.append(pair)
        elif together:
            source, target = (" ".join(filter(None, side)) for side in zip(*together))
            yield source, target
            together = []


def read_aligned(source: pathlib.Path, target: pathlib.Path) -> Iterator[tuple[str, str]]:
    """The pairs of two files, line by line.

    Raises:
        UserError: one cannot be read, or they have not the same number of lines.
    """
    return _TwoFiles(_existing(source), _existing(target)).pairs()


def read_table(path: pathlib.Path) -> Iterator[tuple[str, str]]:
    """The pairs of a file of source, tab, target.

    Raises:
        UserError: it cannot be read, or a line has no tab.
    """
    return _Table(_existing(path)).pairs()


def pair_of(line: str, name: str, number: int) -> tuple[str, str]:
    """The first two of a line's tab-separated columns; an empty line is blank on both sides, and parts documents.

    Raises:
        UserError: it has one alone; the message names the file and the line's number.
    """
    columns = line.split("\t") if line.strip() else ["", ""]
    if len(columns) < 2:
        raise UserError(f"{name}, line {number}: no tab; a line is source, tab, target")
    return columns[0], columns[1]


def fingerprint(corpus: str, split: str, languages: Languages) -> Any:
    """What `read_pairs` would read, as a JSON value that differs whenever the pairs may."""
    found = _open(corpus, split, languages).fingerprint()
    return ["whole documents", found] if languages.whole_documents else found


def has_splits(corpus: str) -> bool:
    """Whether the corpus has a train, dev and test part, as folders and TFDS datasets do and single files do not."""
    name = _expanded(corpus.partition("[")[0])
    return pathlib.Path(name).expanduser().is_dir() or not ("," in name or _is_table(name))


def _is_table(name: str) -> bool:
    return (
        bool(re.search(r"\.(tsv|txt|tab)(\.gz|\.xz)?$", name)) or text.find(pathlib.Path(name).expanduser()) is not None
    )


def _open(corpus: str, split: str, languages: Languages) -> "_TwoFiles | _Table | _Text | _Tfds":
    name, bracket, chosen = corpus.partition("[")
    if bracket and not chosen.endswith("]"):
        raise UserError(f"corpus {corpus!r}: the bracket of the split is not closed; write {corpus + ']'!r}")
    if not name:
        raise UserError(f"corpus {corpus!r}: has no name; name a folder, files or a TFDS dataset")
    name = _expanded(name)
    names = (chosen[:-1],) if bracket else SPLIT_NAMES[split]
    path = pathlib.Path(name).expanduser()
    if path.is_dir():
        return _folder(path, names, languages)
    if languages.alone and ("," in name or _is_table(name)):
        _refuse_other_split(corpus, bracket)
        if "," in name or _TABLE.search(name):
            raise UserError(f"corpus {corpus!r}: holds pairs; text of one language is one file of lines")
        return _Text(_existing(path), languages)
    if "," in name:
        parts = name.split(",")
        if len(parts) != 2:
            raise UserError(f"corpus {corpus!r}: {len(parts)} files; give two with a comma between, source first")
        if not all(parts):
            raise UserError(f"corpus {corpus!r}: a file's name is missing beside the comma; give two, source first")
        _refuse_other_split(corpus, bracket)
        return _TwoFiles(*(_existing(pathlib.Path(part).expanduser()) for part in parts))
    if _is_table(name):
        _refuse_other_split(corpus, bracket)
        return _Table(_existing(path))
    if not _TFDS_NAME.fullmatch(name) or name.startswith((".", "/", "~")):
        raise UserError(f"corpus {corpus!r}: no such file or folder; check the path")
    return _Tfds(name, names, languages)


def _expanded(name: str) -> str:
    """The name with the values of the environment variables in it."""
    expanded = os.path.expandvars(name)
    if unset := re.search(r"\$\{?(\w+)", expanded):
        raise UserError(f"corpus {name!r}: the environment variable {unset[1]} is not set; set it to a folder")
    return expanded


def _refuse_other_split(corpus: str, bracket: str) -> None:
    if bracket:
        raise UserError(f"corpus {corpus!r}: a file has no splits; leave out the bracket, or name another file")


def _existing(path: pathlib.Path) -> pathlib.Path:
    found = text.find(path)
    if found is None and path.exists():
        raise UserError(f"{path}: {why_not_a_file(path)}")
    if found is None:
        raise UserError(f"{path}: no such file (nor with .gz or .xz at its end); check the path")
    return found


def _folder(folder: pathlib.Path, splits: Sequence[str], languages: Languages) -> "_TwoFiles | _Text":
    for split in splits:
        if languages.alone:
            if found := text.find(folder / f"{split}.{languages.target}"):
                return _Text(found, languages)
            continue
        sides = [text.find(folder / f"{split}.{language}") for language in languages.both]
        if all(sides):
            return _TwoFiles(*sides)  # type: ignore[arg-type]
        for side, other in ((0, 1), (1, 0)):
            if sides[side] and not sides[other]:
                partner = folder / f"{split}.{languages.both[other]}"
                raise UserError(f"{sides[side]} has no partner {partner}; add it, or set the languages")
    there = sorted(entry.name for entry in folder.iterdir())[:8]
    first, *others = [languages.target] if languages.alone else [languages.source, languages.target]
    wanted = " or ".join(f"{split}.{first}" for split in splits) + "".join(f" with its .{other}" for other in others)
    raise UserError(f"{folder}: no {wanted} (found: {', '.join(there) or 'nothing'})")


def _stamp(path: pathlib.Path) -> list[Any]:
    status = path.stat()
    return [str(path.resolve()), status.st_size, status.st_mtime_ns]


@dataclasses.dataclass(frozen=True)
class _TwoFiles:
    source: pathlib.Path
    target: pathlib.Path

    def pairs(self) -> Iterator[tuple[str, str]]:
        sides = text.read_lines(self.source), text.read_lines(self.target)
        count = 0
        for source in sides[0]:
            target = next(sides[1], None)
            if target is None:
                raise self._unequal(count + 1 + sum(1 for _ in sides[0]), count)
            yield source, target
            count += 1
        surplus = sum(1 for _ in sides[1])
        if surplus:
            raise self._unequal(count, count + surplus)

    def _unequal(self, source_count: int, target_count: int) -> UserError:
        return UserError(
            f"{self.source} has {source_count} lines and {self.target} has {target_count}: "
            "they are not aligned; make line N of one the translation of line N of the other"
        )

    def fingerprint(self) -> Any:
        return ["two files", _stamp(self.source), _stamp(self.target)]


@dataclasses.dataclass(frozen=True)
class _Table:
    path: pathlib.Path

    def pairs(self) -> Iterator[tuple[str, str]]:
        for number, line in enumerate(text.read_lines(self.path), 1):
            if number == 1 and (columns := line.count("\t") + 1) > 2:
                _say_columns(self.path, columns)
            yield pair_of(line, str(self.path), number)

    def fingerprint(self) -> Any:
        return ["table", _stamp(self.path)]


@dataclasses.dataclass(frozen=True)
class _Text:
    path: pathlib.Path
    languages: Languages

    def pairs(self) -> Iterator[tuple[str, str]]:
        return _pairs_of_text(text.read_lines(self.path), self.languages)

    def fingerprint(self) -> Any:
        return ["text", _stamp(self.path)]


def _pairs_of_text(lines: Iterator[str], languages: Languages) -> Iterator[tuple[str, str]]:
    """Each line with nothing, or with the line before it, as its source; empty lines part documents, and are pairs of
    nothing."""
    before = ""
    for line in lines:
        if not line.strip():
            yield "", ""
        elif before or not languages.source:
            yield before, line
        before = line if languages.source and line.strip() else ""


@functools.cache  # a table is read several times, and this need be said only once
def _say_columns(path: pathlib.Path, columns: int) -> None:
    print(f"{path}: the first 2 of {columns} columns are read", file=sys.stderr)


@dataclasses.dataclass(frozen=True)
class _Tfds:
    name: str
    splits: Sequence[str]
    languages: Languages

    def _builder(self):
        tfds = import_tensorflow_datasets()
        # Asked for a name that is not its own, TFDS looks for it on the network, at length and aloud.
        own = tfds.list_builders(with_community_datasets=False)
        dataset, _, chosen = self.name.partition("/")
        try:
            if ":" not in dataset and dataset not in own:
                raise tfds.core.DatasetNotFoundError
            builder = tfds.builder(self.name)
        except tfds.core.DatasetNotFoundError:
            hint = nearest(dataset.partition(":")[0], own)
            raise UserError(
                f"corpus {self.name!r}: no file or folder of that name, and no TFDS dataset{hint}; see "
                "https://www.tensorflow.org/datasets/catalog/overview#translate"
            ) from None
        except ValueError as error:
            configs = list(getattr(tfds.builder_cls(dataset), "builder_configs", {}))
            if not configs:
                raise UserError(f"corpus {self.name!r}: {str(error).splitlines()[0]}") from None
            raise UserError(
                f"corpus {self.name!r}: {dataset} has no part {chosen!r}{nearest(chosen, configs)}; it has "
                f"{', '.join(configs)}"
            ) from None
        found = list(getattr(builder.info.features, "keys", tuple)())
        for language in self._features(found):
            if language not in found:
                raise UserError(f"corpus {self.name!r} has no language {language!r}; it has {', '.join(found)}")
        return builder

    def _features(self, found: Sequence[str]) -> tuple[str, ...]:
        """What to read of each example, of what there is."""
        source, target = self.languages.both
        if not self.languages.alone:
            return source, target
        return ("text",) if target not in found and "text" in found else (target,)

    def _prepared(self):
        tfds, builder = import_tensorflow_datasets(), self._builder()
        if builder.is_prepared():
            return builder
        if not sys.stderr.isatty():
            tfds.disable_progress_bar()
        try:
            with in_turn(pathlib.Path(builder.data_dir).parent), contextlib.redirect_stdout(sys.stderr):
                builder = self._builder()  # which another process may have prepared meanwhile
                builder.download_and_prepare()
        except UserError:
            raise
        except Exception as error:  # whatever a download may raise: connection, checksum, manual files, disk
            reason = " ".join(str(error).split(" (Caused by")[0].split())[:200]
            raise UserError(
                f"corpus {self.name!r} is not on this machine and could not be downloaded "
                f"({type(error).__name__}: {reason}); check the network, or put it into "
                f"{os.environ.get('TFDS_DATA_DIR', '~/tensorflow_datasets')} from another machine"
            ) from None
        return builder

    def _split(self, builder) -> str:
        for split in self.splits:
            if split.partition("[")[0] in builder.info.splits:
                return split
        raise UserError(
            f"corpus {self.name!r} has no split {' or '.join(self.splits)}; it has {', '.join(builder.info.splits)}"
        )

    def pairs(self) -> Iterator[tuple[str, str]]:
        tfds, builder = import_tensorflow_datasets(), self._prepared()
        # Features are taken by name: TFDS's own order is the pair's, not the direction that is wanted.
        # Read once, so that keeping it in memory would be waste, and a warning wherever the reader stops early.
        once = tfds.ReadConfig(try_autocache=False)
        dataset = builder.as_dataset(split=self._split(builder), shuffle_files=False, read_config=once).batch(1024)
        features = self._features(list(builder.info.features))
        rows = (
            [each.decode() for each in row]
            for batch in tfds.as_numpy(dataset)
            for row in zip(*(batch[feature] for feature in features))
        )
        if self.languages.alone:
            # An example may be a whole document.
            lines = (line for (document,) in rows for line in (*document.split("\n"), ""))
            yield from _pairs_of_text(lines, self.languages)
        else:
            yield from ((source, target) for source, target in rows)

    def fingerprint(self) -> Any:
        builder = self._prepared()
        return ["tfds", builder.info.full_name, str(builder.data_dir), self._split(builder)]
