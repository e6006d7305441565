"""How often a model finds the true translation likelier than the contrastive one."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from mt import trained
from mt.decoding.batches import RowWorkers
from mt.decoding.reader import characters, program_lengths
from mt.decoding.scoring import Score, score_pairs
from mt.decoding.translator import Translator
from mt.decoding.turns import in_turns
from tests.benchmarks.contrastive.documents import Item, Sentence

_Ids = tuple[list[int], list[int]]


def alone(found: trained.Trained, items: Sequence[Item]) -> list[bool]:
    """Whether each item's true translation is likelier, its sentence read by itself."""
    translator = Translator.of(found)
    sources = [item.source for item in items for _ in range(2)]
    targets = [text for item in items for text in (item.true, item.contrastive)]
    scores = translator.score(sources, targets)
    return [truer(_log_prob(true), _log_prob(other)) for true, other in zip(scores[::2], scores[1::2], strict=True)]


def truer(true: float, contrastive: float) -> bool:
    """Whether the true translation's log-probability is the higher one."""
    return true > contrastive


def _log_prob(score: Score | None) -> float:
    if score is None:
        raise SystemExit("a translation has more than 1,024 tokens; take a run with a larger vocabulary")
    return score.log_prob


def in_documents(
    found: trained.Trained, items: Sequence[Item], documents: Callable[[str], list[list[Sentence]]]
) -> list[bool]:
    """As `alone`, but with the memory of all sentences before, and of their true translations.

    Each sentence is read once: both translations of an item begin with the same memory, and the true one goes on.

    Args:
        found: a model that remembers.
        items: of dev sets.
        documents: a folder's, all of them.
    """
    translator = Translator.of(found)
    translator.check_documents([], 0)
    wanted: dict[tuple[str, int], list[int]] = {}
    for number, item in enumerate(items):
        wanted.setdefault((item.folder, item.line), []).append(number)
    sentences: list[tuple[str, int, Sentence]] = []
    for folder in dict.fromkeys(item.folder for item in items):
        for place, document in enumerate(documents(folder)):
            last = max((at for at, each in enumerate(document) if (folder, each.line) in wanted), default=-1)
            sentences += [(folder, place, each) for each in document[: last + 1]]

    def encoded(pairs: Sequence[tuple[str, str]]) -> list[_Ids]:
        return list(zip(*(
            tokenizer.encode([characters(text) for text in side])
            for tokenizer, side in zip((found.tokenizers.source, found.tokenizers.target), zip(*pairs))
        )))  # fmt: skip

    pairs = encoded([(each.source, each.target) for _, _, each in sentences])
    both = encoded([(item.source, text) for item in items for text in (item.true, item.contrastive)])
    workers, start = RowWorkers(found.params), found.tokenizers.start
    right = [False] * len(items)

    def work(turn: list[int], carries: list[Any]) -> list[_Ids]:
        asked = [
            (item, carry)
            for number, carry in zip(turn, carries)
            for item in wanted.get((sentences[number][0], sentences[number][2].line), ())
        ]
        two = [pair for item, _ in asked for pair in both[2 * item : 2 * item + 2]]
        before = [carry for _, carry in asked for _ in range(2)]
        scores = [
            math.fsum(each) for each in score_pairs(workers, found.model, start, two, program_lengths(1024), before)
        ]
        for place, (item, _) in enumerate(asked):
            right[item] = truer(scores[2 * place], scores[2 * place + 1])
        return [pairs[number] for number in turn]

    numbers = {key: number for number, key in enumerate(dict.fromkeys(each[:2] for each in sentences))}
    in_turns(workers, found.model, start, [numbers[each[:2]] for each in sentences], work)
    return right


def wilson(right: int, count: int) -> tuple[float, float]:
    """The 95% interval of a share (Wilson 1927, "Probable Inference, the Law of Succession")."""
    z, share = 1.959964, right / count
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return max(0.0, middle - half), min(1.0, middle + half)


def table(items: Sequence[Item], rights: Sequence[bool]) -> list[str]:
    """Lines of the share by kind, by folder, and by the word that is true, of pronouns."""
    groups: dict[tuple[str, str], list[bool]] = {}
    for item, right in zip(items, rights, strict=True):
        names = [(item.kind, "all"), (item.kind, item.folder)]
        if item.kind != "term":
            names.append((item.kind, item.word))
        for name in names:
            groups.setdefault(name, []).append(right)
    lines = []
    for (kind, name), found in sorted(groups.items()):
        low, high = wilson(sum(found), len(found))
        share = sum(found) / len(found)
        lines.append(f"{kind:14} {name:13} {len(found):5} items {share:7.1%}  [{low:.1%}, {high:.1%}]")
    return lines
