"""Damaged and malicious files: whatever is in them, a loader reads them or refuses them with a sentence.

    python -m tests.reliability.fuzz [--tries 500] [--seed 0] [--kinds bundle tokenizer pairs document]

Files are truncated, lengthened, their bits flipped, and values of their JSON replaced by odd ones. In most of the
bundles the manifest is made to fit what was altered, as somebody would who means harm. Each kind is tried in a process
of its own, so that one that ends it does not go unnoticed.
"""

import argparse
import hashlib
import json
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from typing import Any

from mt.data.datasets import Languages, read_pairs
from mt.data.tokenizer import Tokenizer
from mt.decoding.translator import Translator
from mt.documents import formats
from mt.errors import UserError
from mt.manifest import MANIFEST
from tests.conftest import ROOT, shipped_pairs
from tests.documents.samples import CUES, LETTER, NOTES, PAGE, PO, TMX

BUNDLES = ROOT / "tests" / "exporting" / "bundles"
DOCUMENTS: dict[formats.Format, str] = {
    "text": LETTER,
    "markdown": NOTES,
    "html": PAGE,
    "srt": CUES,
    "po": PO,
    "tmx": TMX,
}
ODD = (None, True, -1, 0, 1 << 40, 1 << 70, 1e308, float("nan"), "", "../../x", "/etc/passwd", "é" * 999, [], {}, [[]])


def mutate(content: bytes, chance: random.Random) -> bytes:
    """The content with some damage."""
    place = chance.randrange(len(content) + 1)
    length = min(len(content) - place, chance.choice((1, 2, 8, 64)))
    kind = chance.randrange(5)
    if kind == 0 and content:
        flipped = bytearray(content)
        for _ in range(chance.choice((1, 1, 3, 30))):
            flipped[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        return bytes(flipped)
    if kind == 1:
        return content[:place]
    if kind == 2:
        return content[:place] + chance.randbytes(chance.choice((1, 8, 1000))) + content[place:]
    if kind == 3:
        return content[:place] + b"\xff" * length + content[place + length :]
    return content[:place] + content[place : place + length] * 3 + content[place + length :]


def mutate_json(value: Any, chance: random.Random) -> Any:
    """The value with a part of it replaced, left out or added."""
    if not isinstance(value, (dict, list)) or not value or chance.random() < 0.1:
        return chance.choice(ODD)
    if isinstance(value, list):
        place = chance.randrange(len(value))
        return [mutate_json(each, chance) if number == place else each for number, each in enumerate(value)]
    name = chance.choice(sorted(value))
    changed = dict(value)
    if chance.random() < 0.1:
        changed[chance.choice(("", "extra", "../x"))] = changed.pop(name)
    else:
        changed[name] = mutate_json(value[name], chance)
    return changed


def bundle(folder: pathlib.Path, chance: random.Random) -> None:
    """Alters one file of a bundle, and loads it."""
    shutil.copytree(chance.choice(sorted(BUNDLES.iterdir())), folder)
    path = chance.choice(sorted(path for path in folder.rglob("*") if path.is_file()))
    if path.suffix == ".json" and chance.random() < 0.7:
        path.write_text(json.dumps(mutate_json(json.loads(path.read_text("utf-8")), chance)), "utf-8")
    else:
        path.write_bytes(mutate(path.read_bytes(), chance))
    if path.name != MANIFEST and chance.random() < 0.8:
        if path.suffix == ".model":
            config = json.loads((folder / "config.json").read_text("utf-8"))
            config["tokenizer_sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
            (folder / "config.json").write_text(json.dumps(config), "utf-8")
        described = json.loads((folder / MANIFEST).read_text("utf-8"))
        for name in described["files"]:
            content = (folder / name).read_bytes()
            described["files"][name] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        (folder / MANIFEST).write_text(json.dumps(described), "utf-8")
    Translator.load(folder)


def tokenizer(folder: pathlib.Path, chance: random.Random) -> None:
    """Alters a SentencePiece model, and encodes a little with it."""
    content = (BUNDLES / "format_1_float32" / "tokenizer.model").read_bytes()
    folder.mkdir()
    (folder / "tokenizer.model").write_bytes(mutate(content, chance))
    found = Tokenizer.load(folder / "tokenizer.model")
    found.decode(found.encode(["Hello, how are you?", "", "漢字"]))


def pairs(folder: pathlib.Path, chance: random.Random) -> None:
    """Alters a table of pairs, and reads it."""
    text = "".join("\t".join(pair) + "\n" for pair in shipped_pairs("dev", 30))
    folder.mkdir()
    (folder / "a.tsv").write_bytes(mutate(text.encode(), chance))
    for source, target in read_pairs(str(folder / "a.tsv"), "train", Languages("en", "fr")):
        assert "\n" not in source + target


def document(folder: pathlib.Path, chance: random.Random) -> None:
    """Alters a document, reads it, and writes it with its text in capitals."""
    content = chance.choice(sorted(DOCUMENTS))
    altered = mutate(DOCUMENTS[content].encode(), chance).decode(errors="replace")
    found = formats.read(content, altered, "en", "fr")
    found.filled([segment._replace(text=segment.text.upper()) for segment in found.segments])


KINDS: dict[str, Callable[[pathlib.Path, random.Random], None]] = {
    "bundle": bundle,
    "tokenizer": tokenizer,
    "pairs": pairs,
    "document": document,
}


def try_all(kind: str, tries: int, seed: int) -> tuple[int, int]:
    """How many files were read and how many refused.

    Raises:
        AssertionError: neither came of one.
    """
    read = refused = 0
    for number in range(seed, seed + tries):
        print(f"{kind} {number}", file=sys.stderr, flush=True)  # the last is the one that ended the process
        with tempfile.TemporaryDirectory() as folder:
            try:
                KINDS[kind](pathlib.Path(folder) / kind, random.Random(number))
                read += 1
            except UserError as error:
                assert "\n" not in str(error) and len(str(error)) < 2000, f"{kind} {number}: {error}"
                refused += 1
            except Exception as error:
                raise AssertionError(f"{kind} {number}: {type(error).__name__}: {error}") from error
    return read, refused


def main() -> None:
    """Prints a line a kind."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tries", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--here", action="store_true", help="in this process")
    options = parser.parse_args()
    if options.here:
        for kind in options.kinds:
            read, refused = try_all(kind, options.tries, options.seed)
            print(f"{kind}: {options.tries} tried, {refused} refused with a sentence, {read} read", flush=True)
        return
    for kind in options.kinds:
        words = [sys.executable, "-m", "tests.reliability.fuzz", "--here", "--kinds", kind]
        words += ["--tries", str(options.tries), "--seed", str(options.seed)]
        done = subprocess.run(words, stderr=subprocess.PIPE, text=True)
        if done.returncode:
            raise SystemExit(f"{done.stderr[-3000:]}\n{kind}: ended with status {done.returncode}")


if __name__ == "__main__":
    main()
