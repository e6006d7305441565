"""Pronouns and their gender, which the sentences before tell, "It is empty.": "Il est vide." or "Elle est vide.", or
which their own sentence may tell."""

import re

from tests.benchmarks.contrastive.documents import WORD, Sentence, Swap, like, words
from tests.benchmarks.contrastive.french import Lexicon

PAIRS = (("il", "elle"), ("ils", "elles"), ("celui-ci", "celle-ci"), ("ceux-ci", "celles-ci"))
_OTHER = {one: other for pair in PAIRS for one, other in (pair, pair[::-1])}
_GENDERS = {pair[place]: "mf"[place] for pair in PAIRS for place in (0, 1)}
_PLURALS = {"ils", "elles", "ceux-ci", "celles-ci"}
_NUMBERS = {"it": False, "they": True}
_PERSONS = {"he", "she", "him", "her", "his", "hers", "himself", "herself"}
_FIRST = 8  # words of which the first pronoun must be one, on both sides
_BACK = 5  # sentences before in which the antecedent must be possible
# No noun that "it" could mean; "in this case" is none.
_OPENERS = set(
    "accordingly additionally after afterwards again also although and as at because before behold but by case "
    "contrast conversely currently default either even every example finally first for furthermore general "
    "generally hence here how however if in indeed initially instead internally is just let likewise means moment "
    "moreover nevertheless nor normally not note now often on once only optionally or otherwise particular rather "
    "regardless second similarly since so sometimes still surely that the then there therefore this though thus "
    "time to typically unless until usually was when whenever where whereas wherever whether which while why "
    "words yes yet".split()
)
_IMPERSONAL_ENGLISH = re.compile(
    r"\bit(?:['’]s| is| was| will be| would be| may be| might be| can be| could be| should be| shall be| has been| must"
    r" be| seems| appears| becomes| remains)(?: \w+){0,3}? (?:to|that|for|whether|how|if|when|why)\b"
    r"|\bit (?:\w+ )?(?:happened|happens|shall happen|came to pass|turns out|rains?|takes?|costs?|follows|depends"
    r"|helps?|seems?|appears?|makes sense|pleased)\b",
    re.IGNORECASE,
)
_IMPERSONAL = re.compile(
    r"\bil (?:ne |n['’])?(?:(?:y|en|se|me|te|lui|leur|nous|vous) |s['’]|m['’]|t['’]|l['’])?(?:a\b|avait|aura|faut"
    r"|faudra|fallait|fallut|faudrait|agit|agissait|agira|agirait|convient|importe|suffit|suffira|suffirait|semble"
    r"|paraît|arriv|advi|exist|reste|manque|vaut|vaudrait|plu|pleu|incomb|appartient|revient|apparaît|résulte"
    r"|découle|trouve|peut (?:y|se|en|arriver|exister|s['’]|être (?:plus |très |parfois |aussi |préférable|utile"
    r"|nécessaire|intéressant))|pourra(?:it)? (?:y|se)|doit y|devrait y|fait (?:nuit|jour)|fut un|était une fois"
    r"|est (?:temps|clair|vrai|fait|mis|procédé|tenu|interdit|entendu|question|possible|recommandé|conseillé"
    r"|important|nécessaire))",
    re.IGNORECASE,
)
_BE = set(
    "est sont était étaient sera seront serait seraient fut furent soit soient fût fussent été être étant".split()
)
_ADVERBS = set(
    "pas point plus jamais toujours aussi donc alors souvent très trop non ni encore déjà bien mal ensuite désormais "
    "parfois ainsi assez peu tant si aussitôt maintenant beaucoup mieux moins ici là rarement".split()
)
# What stands in a predicate and does not agree.
_PREPOSITIONS = set("à au aux de d' du en dans sur sous pour par avec sans comme contre entre chez".split())
# After these "elle" is "lui" in the other gender.
_BEFORE_STRESSED = re.compile(
    r"\b(?:à|après|avant|avec|chez|comme|contre|dans|de|derrière|devant|d['’]|en|entre|envers|malgré|ni|par|parmi|pour"
    r"|sans|sauf|selon|sous|sur|vers|c['’]est) ?$",
    re.IGNORECASE,
)
_RELATIVE = {"qui", "que", "qu'", "dont", "où", "lequel", "laquelle", "lesquels", "lesquelles"}
_DETERMINERS = set("un une le la l' les des du ce cet cette ces mon ma ton ta son sa notre votre leur".split())
# Other words by which the sentence itself tells the gender, or may.
_TELLING = re.compile(
    r"\b(?:(?:lui|elle|eux|elles)-mêmes?|eux|(?:tous|toutes)\b(?! (?:les|ces|ses|leurs|nos|vos|mes|tes))|seule?s?"
    r"|telle?s?|chacune?|l['’]une?|les une?s|devien\w+|devin\w+|devenir|rest(?:e|ent|ait|aient|er|era|eront|a|èrent)"
    r"|demeur\w+|sembl\w+|paraî\w+|parai\w+|apparai\w+|un(?:e)? (?:parmi|de|des))\b(?!-)",
    re.IGNORECASE,
)
_AGREEING = re.compile("(?:é|i|u|is|it|ert|eint)(?:e?s?)$")


def swap(sentence: Sentence, before: list[Sentence] | None, lexicon: Lexicon) -> Swap | None:
    """A translation with the pronoun of the other gender, and its participle; None where rules cannot say it exactly.

    Args:
        sentence: of a document.
        before: those of the document before it, of which alone one may have what the pronoun means; None asks for one
            that its own sentence may have.
        lexicon: of the French side.
    """
    count = english_pronouns(sentence.source, anywhere=before is None)
    matches = french_pronouns(sentence.target, count, anywhere=before is None) if count else []
    if not matches:
        return None
    old = matches[0][0].lower()
    gender, plural = _GENDERS[old], old in _PLURALS
    ends = [*(match.start() for match in matches[1:]), len(sentence.target)]
    said = [sentence.target[match.end() : end] for match, end in zip(matches, ends)]
    earlier = sentence.target[: matches[-1].start()]
    if may_be_antecedent([earlier], gender, plural, lexicon) != (before is None) or _TELLING.search(sentence.target):
        return None
    if before is not None and (
        not may_be_antecedent([each.target for each in before[-_BACK:]], gender, plural, lexicon)
        or re.search(r"(?<=\w )[A-ZÉ]", sentence.target[: matches[0].start()])  # a name, whose gender is not known
    ):
        return None
    changed = sentence.target[: matches[0].start()]
    for match, after in zip(matches, said):
        predicated = agreeing(after, old, lexicon)
        if predicated is None:
            return None
        changed = with_si(changed, match[0]) + predicated
    return Swap(changed, old, _OTHER[old])


def english_pronouns(source: str, anywhere: bool = False) -> dict[bool, int]:
    """How many "it" (False) or "they" (True), if one kind alone is there, and means something; close to the beginning,
    or anywhere."""
    every = [word.rstrip("'") for word in words(source)]
    found = [word for word in every if word in _NUMBERS]
    if len(set(found)) != 1 or not (anywhere or found[0] in every[:_FIRST]):
        return {}
    if found[0] == "it" and (
        not (anywhere or _OPENERS.issuperset(every[: every.index("it")]))
        or _PERSONS.intersection(every)
        or _IMPERSONAL_ENGLISH.search(source)
    ):
        return {}
    return {_NUMBERS[found[0]]: len(found)}


def french_pronouns(target: str, count: dict[bool, int], anywhere: bool = False) -> list[re.Match[str]]:
    """The subject pronouns that translate those, all of one gender; the first close to the beginning, or anywhere.

    [] if not so.

    "Ils" is often repeated where English does not; "il" may mean nothing, and must not be there more often than "it".
    """
    (plural, most), *_ = count.items()
    every = list(WORD.finditer(target))
    found = [match for match in every if match[0].lower() in _OTHER and (match[0].lower() in _PLURALS) == plural]
    if len({match[0].lower() for match in found}) != 1:
        return []
    if not anywhere and found[0].start() not in [each.start() for each in every[:_FIRST]]:
        return []
    # "Avec elle" is no subject. Inverted, as in "dit-il", it is another's.
    if any(_BEFORE_STRESSED.search(target[: match.start()]) for match in found):
        return []
    if (not plural and len(found) > most) or _IMPERSONAL.search(target) or re.search(r"-(?:il|elle)s?\b", target):
        return []
    return found


def may_be_antecedent(texts: list[str], gender: str, plural: bool, lexicon: Lexicon) -> bool:
    """Whether a noun of that gender and number stands in French texts."""
    return any(
        lexicon.is_noun(word) and lexicon.gender(word) == gender and word.endswith(("s", "x")) == plural
        for text in texts
        for word in words(text)
    )


def with_si(before: str, pronoun: str) -> str:
    """What stands before a pronoun, and the pronoun of the other gender: "s'il", but "si elle"."""
    other = like(_OTHER[pronoun.lower()], pronoun)
    if other.lower() in ("elle", "elles"):
        return re.sub(r"\b(s)['’]$", r"\1i ", before, flags=re.IGNORECASE) + other
    if other.lower() in ("il", "ils"):
        return re.sub(r"\b(s)i $", r"\1'", before, flags=re.IGNORECASE) + other
    return before + other


def agreeing(after: str, pronoun: str, lexicon: Lexicon) -> str | None:
    """What follows a pronoun, its predicate in the other gender; None where rules cannot say it exactly.

    Args:
        after: from the pronoun's end.
        pronoun: that stands there, in small letters.
        lexicon: knows the other gender's forms.
    """
    to, plural = _GENDERS[_OTHER[pronoun]], pronoun in _PLURALS
    place = predicate(after)
    if place is None:
        return None if _other_agrees(after, pronoun, lexicon) else after
    start, end = place
    word, rest = after[start:end].lower(), after[end:]
    if _other_agrees(rest, pronoun, lexicon) or after[end:].startswith("-"):
        return None
    if word in _PREPOSITIONS:
        return after
    if word in _DETERMINERS:  # a noun has the pronoun's gender
        return None
    # "Il est clair que", "il est permis de" mean nothing; "elle est la clef" has a noun.
    if pronoun == "il" and re.match(r" (?:de |d['’]|que |qu['’])", rest):
        return None
    other = lexicon.other_gender(word, to, plural)
    if other is None or lexicon.other_gender(other, _GENDERS[pronoun], plural) != word:
        return None
    return after[:start] + other + rest


def predicate(after: str) -> tuple[int, int] | None:
    """Where the word stands that a form of "être" close behind the pronoun says of it, past adverbs; None without."""
    said, started = list(WORD.finditer(after)), False
    for number, match in enumerate(said):
        word = match[0].lower()
        if word in _BE:
            started = True
        elif started:
            if word not in _ADVERBS and not (len(word) > 6 and word.endswith("ment")):
                return match.span()
        elif number > 4 or word in _RELATIVE or re.search("[,;:.(]", after[: match.start()]):
            return None
    return None


def _other_agrees(rest: str, pronoun: str, lexicon: Lexicon) -> bool:
    """Whether something else may agree with the pronoun: joined to what was said of it, or said of it anew."""
    plural = pronoun in _PLURALS
    for match in re.finditer(r"(?:,|\b(?:et|ou|mais|ni|puis|non|être|été|(?<!qui )(?:est|sont))\b|[—(]) ?", rest):
        words_after = words(rest[match.end() :])
        while words_after and (words_after[0] in _ADVERBS or words_after[0] in _BE or words_after[0].endswith("ment")):
            words_after = words_after[1:]
        if not words_after or words_after[0].endswith("s") != plural:
            continue
        word = words_after[0]
        if _AGREEING.search(word) and word not in ("qui", "si", "ou", "aussi"):
            other = lexicon.other_gender(word, _GENDERS[_OTHER[pronoun]], plural)
            if other and other != word:
                return True
    return False
