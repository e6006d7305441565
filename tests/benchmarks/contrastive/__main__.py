"""A contrastive test of translation with context, English to French, from real documents: build it, and score a model.

    python -m tests.benchmarks.contrastive build --out FOLDER
    python -m tests.benchmarks.contrastive score RUN --items FOLDER [--documents]

An item is a sentence of the dev documents in $MT_CORPORA (bible-docs, canlaws-docs, php-docs, python-docs), its true
translation, and a contrastive one, in which one thing is changed that the sentences before decide: the gender of the
pronoun for "it" or "they", with the participle that agrees; or a noun for another that translates the same term, where
the document has had the first so far. A third kind, "pronoun within", is decided by the sentence itself if by anything:
a noun before the pronoun has its gender. Which of two pairs of nouns are such terms was found by aligning the words
of the training side, and read; both must be frequent there (terms.py).

Scoring prints in which share of the items the true translation is the likelier one, with its 95% interval. With
--documents, a model with memory reads each document from its beginning, with true translations; both translations of
an item begin with that memory. Without it each sentence is read by itself, and nothing tells the two apart but how
frequent each word is: "il" is right where it is true, and wrong where "elle" is, so read the rows of pronouns by the
word that is true together. What a memory is worth is the difference between the two.
"""

import argparse
import functools
import json
import pathlib
from collections import Counter

from mt import trained
from tests.benchmarks.contrastive import pronouns, scoring, terms
from tests.benchmarks.contrastive.documents import FOLDERS, Item, Sentence, read, words
from tests.benchmarks.contrastive.french import Lexicon

NAME = "items.jsonl"
MOST = 10  # items of a document in which a term is swapped the same way, or a few long laws would be the test


def items_of(folder: str, documents: list[list[Sentence]], lexicon: Lexicon, known: terms.Terms) -> list[Item]:
    """All items of a folder's documents, each text once."""
    found: dict[tuple[str, str, str], Item] = {}
    counts: Counter[tuple[int, str, str]] = Counter()
    for number, document in enumerate(documents, 1):
        for place, sentence in enumerate(document):
            before = document[:place]
            swaps = []
            for name, context in (("pronoun", before), ("pronoun within", None)):
                if pronoun := pronouns.swap(sentence, context, lexicon):
                    swaps.append((name, pronoun))
            swaps += [("term", each) for each in terms.swaps(sentence, before, known, lexicon)]
            for kind, (text, word, swapped, distance) in swaps:
                item = Item(
                    folder, number, sentence.line, kind, sentence.source, sentence.target, text, word, swapped, distance
                )
                text_key, swap_key = (item.source, item.true, item.contrastive), (number, word, swapped)
                if text_key in found or (kind == "term" and counts[swap_key] == MOST):
                    continue
                found[text_key] = item
                counts[swap_key] += 1
    return list(found.values())


def build(out: pathlib.Path) -> None:
    """Writes the items, a JSON object a line."""
    out.mkdir(parents=True, exist_ok=True)
    with (out / NAME).open("w", encoding="utf-8") as file:
        for folder in FOLDERS:
            train = [sentence for document in read(folder, "train") for sentence in document]
            lexicon = Lexicon(words(sentence.target) for sentence in train)
            found = items_of(folder, read(folder, "dev"), lexicon, terms.frequent(train, lexicon))
            file.writelines(json.dumps(item._asdict(), ensure_ascii=False) + "\n" for item in found)
            for kind, count in sorted(Counter(item.kind for item in found).items()):
                print(f"{folder}: {count} items of kind {kind}")


def score(run: pathlib.Path, items: pathlib.Path, documents: bool) -> None:
    """Prints the shares."""
    lines = (items / NAME).read_text(encoding="utf-8").splitlines()
    every, found = [Item(**json.loads(line)) for line in lines], trained.load(run)
    read_dev = functools.partial(read, split="dev")
    rights = scoring.in_documents(found, every, read_dev) if documents else scoring.alone(found, every)
    print("\n".join(scoring.table(every, rights)))


def main() -> None:
    """Builds or scores."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    building = verbs.add_parser("build", help="write the items")
    building.add_argument("--out", type=pathlib.Path, required=True)
    scored = verbs.add_parser("score", help="score a run by them")
    scored.add_argument("run", type=pathlib.Path)
    scored.add_argument("--items", type=pathlib.Path, required=True)
    scored.add_argument("--documents", action="store_true")
    options = parser.parse_args()
    if options.verb == "build":
        build(options.out)
    else:
        score(options.run, options.items, options.documents)


if __name__ == "__main__":
    main()
