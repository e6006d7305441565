"""What French words are, as a corpus shows it: their gender, their other gender, and whether they elide."""

import collections
import re
from collections.abc import Iterable

from tests.benchmarks.contrastive.documents import like

_MASCULINE, _FEMININE = {"le", "un", "du", "au", "ce", "cet"}, {"la", "une", "cette"}
_LEAST = 5  # articles that tell a noun's gender
_SURE = 0.9  # of them
_RARE = 0.05  # of a form's count: what is found so seldom is another word, as the English "valid" beside "valide"
# Endings of the masculine and the feminine; the first that fits.
_ENDINGS = (("eux", "euse"), ("f", "ve"), ("er", "ère"), ("el", "elle"), ("nul", "nulle"), ("ic", "ique"), ("", "e"))
# Before a vowel and before a consonant.
_ELIDED = {"d'": "de", "qu'": "que", "cet": "ce"}
_POSSESSIVE = {"mon": "ma", "ton": "ta", "son": "sa"}
# These change before a vowel, and with gender, or are elided otherwise; what stands after them is left as it is.
_UNRULY = {
    "nouveau",
    "nouvel",
    "beau",
    "bel",
    "vieux",
    "vieil",
    "fou",
    "fol",
    "lorsque",
    "puisque",
    "quoique",
    "jusque",
}


class Lexicon:
    """The words of texts."""

    def __init__(self, texts: Iterable[list[str]]):
        """Counts words and the articles before them, see `documents.words`."""
        self.counts: collections.Counter[str] = collections.Counter()
        self._articles: dict[str, collections.Counter[str]] = {gender: collections.Counter() for gender in "mf"}
        self._elided: collections.Counter[str] = collections.Counter()
        for text in texts:
            self.counts.update(text)
            for before, word in zip(text, text[1:]):
                if before in _MASCULINE or before in _FEMININE:
                    self._articles["m" if before in _MASCULINE else "f"][word] += 1
                self._elided[word] += before in ("l'", "d'")

    def gender(self, noun: str) -> str | None:
        """ "m" or "f", of a plural that of its singular; None where articles don't tell."""
        for form in dict.fromkeys((noun, re.sub("[sx]$", "", noun), re.sub("aux$", "al", noun))):
            counts = [self._articles[gender][form] for gender in "mf"]
            if sum(counts) >= _LEAST and max(counts) >= _SURE * sum(counts):
                return "mf"[counts.index(max(counts))]
        return None

    def is_noun(self, word: str) -> bool:
        """Whether it has a gender, and articles as often as nouns do."""
        articles = sum(self._articles[gender][form] for gender in "mf" for form in {word, re.sub("[sx]$", "", word)})
        return bool(self.gender(word)) and articles >= 0.05 * self.counts[word]

    def elides(self, word: str) -> bool:
        """Whether articles before it are elided."""
        word = word.lower()
        return self._elided[word] > 0 if word[0] == "h" else word[0] in "aâàeéèêiîoôuœ"

    def other_gender(self, word: str, to: str, plural: bool) -> str | None:
        """An adjective or participle in the other gender, itself if it has one form; None where that is not sure.

        Args:
            word: in small letters.
            to: "m" or "f".
            plural: its number.
        """
        if plural and word.endswith("aux"):
            other = word[:-3] + "ales"
            return other if to == "f" and self.counts[other] else None
        # "mis" is both numbers, "utilisés" is one.
        singulars = [word[:-1], word] if plural and word[-1] in "sx" else [word] if not plural else []
        for singular in singulars:
            for masculine, feminine in _ENDINGS:
                have, want = (masculine, feminine) if to == "f" else (feminine, masculine)
                if not singular.endswith(have) or (to == "f" and singular.endswith("e")):
                    continue
                other = singular[: len(singular) - len(have)] + want
                if plural and not other.endswith(("s", "x")):
                    other += "s"
                if len(other) > 1 and self.counts[other] > _RARE * self.counts[word]:
                    return other
        return word if re.search("[^éiu]es?$", word) else None


def replaced(text: str, start: int, end: int, noun: str, gender: str, lexicon: Lexicon) -> str | None:
    """A text with a noun in place of another of its gender and number, and the article as the new one needs it.

    Args:
        text: the sentence.
        start: where the noun begins.
        end: where it ends.
        noun: the new one, in small letters.
        gender: of both.
        lexicon: says what elides.

    Returns:
        None where no rule says what the word before becomes.
    """
    old, before, after = text[start:end], text[:start], text[end:]
    noun = like(noun, old)
    if lexicon.elides(old) == lexicon.elides(noun):
        return before + noun + after
    article = re.search(r"(?:\b(?:de|à) l['’]|[^\W\d_]+['’]|[^\W\d_]+ |)$", before, re.IGNORECASE)
    assert article
    new = article_before(article[0].strip().lower().replace("’", "'"), gender, lexicon.elides(noun))
    if new is None:
        return None
    apart = "" if new.endswith("'") or not article[0] else " "
    new = new.replace("'", "’") if "’" in text else new
    return before[: article.start()] + like(new, article[0]) + apart + noun + after


def article_before(word: str, gender: str, elides: bool) -> str | None:
    """The word before a noun, "" for none, as it stands before one that elides, or doesn't; None where no rule says."""
    if word in _UNRULY:
        return None
    if elides:
        contracted = {"le": "l'", "la": "l'", "du": "de l'", "au": "à l'"}
        return (
            contracted
            | {full: short for short, full in _ELIDED.items()}
            | {feminine: masculine for masculine, feminine in _POSSESSIVE.items()}
        ).get(word, word)
    if word.endswith("l'"):
        full = {"l'": "le", "de l'": "du", "à l'": "au"} if gender == "m" else {}
        return full.get(word, word.replace("l'", "la")) if word in ("l'", "de l'", "à l'") else None
    if word in _POSSESSIVE:
        return _POSSESSIVE[word] if gender == "f" else word
    return _ELIDED.get(word, None if word.endswith("'") else word)
