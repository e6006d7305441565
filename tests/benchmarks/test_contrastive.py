"""What becomes an item of the contrastive test, and what must not; and how items are scored."""

import pytest

from mt import trained
from mt.data.datasets import Languages
from mt.decoding.beam_search import SearchConfig
from mt.decoding.translator import Translator
from mt.models.document_transformer import DocumentTransformerConfig
from tests.benchmarks.contrastive import pronouns, scoring, terms
from tests.benchmarks.contrastive.__main__ import items_of
from tests.benchmarks.contrastive.documents import Item, Sentence, parted, words
from tests.benchmarks.contrastive.french import Lexicon, article_before, replaced
from tests.conftest import random_params

FRENCH = """le fichier un fichier le fichier du fichier ce fichier la liste une liste la liste cette liste la liste
les fichiers les listes utilisé utilisée utilisés utilisées vide vides créé créée
un accord un accord un accord cet accord un accord un contrat le contrat du contrat le contrat ce contrat
un dossier le dossier le dossier un dossier du dossier un répertoire le répertoire au répertoire ce répertoire du
répertoire la requête une requête la requête cette requête la requête une instruction une instruction cette instruction
la instruction une instruction l'accord l'homme d'homme héros""".replace("\n", " ")
LEXICON = Lexicon([words(FRENCH)])
BEFORE = [Sentence(1, "The file is here. The lists too.", "Le fichier est ici. Les listes aussi, avec une liste.")]


def pronoun(source, target, before=BEFORE):
    return pronouns.swap(Sentence(2, source, target), before, LEXICON)


@pytest.mark.parametrize(
    "source, target, contrastive",
    [
        ("It is empty.", "Il est vide.", "Elle est vide."),
        ("It is not used here.", "Elle n'est pas utilisée ici.", "Il n'est pas utilisé ici."),
        ("They have been used.", "Elles ont été utilisées.", "Ils ont été utilisés."),
        ("It must be used.", "Il doit être utilisé.", "Elle doit être utilisée."),
        ("If it is used, stop.", "S'il est utilisé, arrêtez.", "Si elle est utilisée, arrêtez."),
        ("If it is used, stop.", "Si elle est utilisée, arrêtez.", "S'il est utilisé, arrêtez."),
        ("But if they end here, stop.", "Mais s’ils finissent ici, arrêtez.", "Mais si elles finissent ici, arrêtez."),
        ("It contains names.", "Celui-ci contient des noms.", "Celle-ci contient des noms."),
        ("They come and they go.", "Elles viennent et elles vont.", "Ils viennent et ils vont."),
    ],
)
def test_a_pronoun_is_swapped_with_what_agrees(source, target, contrastive):
    before = [*BEFORE, Sentence(1, "The files.", "Les fichiers.")]
    found = pronoun(source, target, before)
    assert found and found.contrastive == contrastive


@pytest.mark.parametrize(
    "source, target",
    [
        ("It contains two.", "Il y a deux fichiers."),
        ("It needs a name.", "Il faut un nom."),
        ("It is about names.", "Il s'agit de noms."),
        ("It is possible to stop.", "Il est possible d'arrêter."),
        ("It is recommended that you stop.", "Il est vide que vous arrêtiez."),
        ("It happened here.", "Il arriva ici."),
    ],
)
def test_what_means_nothing_has_no_gender(source, target):
    assert not pronoun(source, target)


@pytest.mark.parametrize(
    "source, target",
    [
        ("The file is here and it works.", "Le fichier est ici et il marche."),  # "it" stands after a noun
        ("They use a file.", "Les fichiers sont ici, ils marchent."),  # the antecedent stands in the French
        ("It calls him.", "Il appelle."),  # "il" may be he
        ("It works with another.", "Il marche et il appelle."),  # one "it", two "il"
        ("It works itself.", "Il marche lui-même."),
        ("It is used and created.", "Il est utilisé et créé."),  # another participle agrees
        ("It is blue.", "Il est bleu."),  # the feminine is not known
        ("It is a file.", "Il est un fichier."),  # the noun tells the gender
        ("Is it here?", "Est-il ici?"),
        ("He works.", "Il marche."),
    ],
)
def test_what_rules_cannot_say_is_left_out(source, target):
    assert not pronoun(source, target)


@pytest.mark.parametrize(
    "source, target, contrastive",
    [
        ("The file is here and it works.", "Le fichier est ici et il marche.", "Le fichier est ici et elle marche."),
        ("The lists, if they are used.", "Les listes, si elles sont utilisées.", "Les listes, s'ils sont utilisés."),
        ("It works.", "Il marche.", None),  # only the sentences before have what it may mean
        ("A list works with it.", "Une liste marche avec elle.", None),  # no subject
        ("A list is where it is.", "Une liste est où elle est.", "Une liste est où il est."),
    ],
)
def test_a_pronoun_whose_own_sentence_may_tell_is_of_another_kind(source, target, contrastive):
    found = pronouns.swap(Sentence(2, source, target), None, LEXICON)
    assert (found and found.contrastive) == contrastive


def test_a_pronoun_needs_something_that_it_may_mean():
    assert pronoun("It works.", "Il marche.")
    assert not pronoun("It works.", "Il marche.", [])
    assert not pronoun("It works.", "Il marche.", [Sentence(1, "A list.", "Une liste.")])


def test_the_other_gender_is_known_or_none():
    assert LEXICON.other_gender("utilisés", "f", plural=True) == "utilisées"
    assert LEXICON.other_gender("utilisée", "m", plural=False) == "utilisé"
    assert LEXICON.other_gender("vide", "m", plural=False) == "vide"
    assert LEXICON.other_gender("connu", "f", plural=False) is None


@pytest.mark.parametrize(
    "text, old, new, gender, expected",
    [
        ("la fin de l'accord", "accord", "contrat", "m", "la fin du contrat"),
        ("la fin du contrat", "contrat", "accord", "m", "la fin de l'accord"),
        ("L’accord est nul", "accord", "contrat", "m", "Le contrat est nul"),
        ("Ce contrat, au contrat", "contrat", "accord", "m", "Cet accord, au contrat"),
        ("la requête", "requête", "instruction", "f", "l'instruction"),
        ("son instruction", "instruction", "requête", "f", "sa requête"),
        ("des accords", "accord", "contrat", "m", "des contrats"),
        ("un nouvel accord", "accord", "contrat", "m", None),
        ("lorsqu'accord", "accord", "contrat", "m", None),
        ("Contrats", "Contrat", "accord", "m", "Accords"),
    ],
)
def test_articles_elide_as_the_noun_needs(text, old, new, gender, expected):
    start = text.index(old)
    assert replaced(text, start, start + len(old), new, gender, LEXICON) == expected


def test_h_elides_where_the_corpus_elides_it():
    assert LEXICON.elides("homme") and not LEXICON.elides("héros")
    assert article_before("la", "f", elides=True) == "l'" and article_before("la", "f", elides=False) == "la"


def term(source, target, *before, known=("dossier", "répertoire")):
    pairs = [Sentence(number, *pair) for number, pair in enumerate(before, 1)]
    return terms.swaps(Sentence(9, source, target), pairs, {"directory": list(known)}, LEXICON)


def test_a_term_is_swapped_where_the_document_has_had_the_other_noun():
    (found,) = term(
        "Remove directories.", "Supprime des dossiers.", ("A directory.", "Un dossier."), ("Nothing.", "Rien.")
    )
    assert found == ("Supprime des répertoires.", "dossier", "répertoire", 2)


@pytest.mark.parametrize(
    "source, target, before",
    [
        ("A directory.", "Un dossier.", []),  # nothing has been translated yet
        ("A directory.", "Un dossier.", [("A directory.", "Un répertoire.")]),
        ("A directory.", "Un dossier.", [("A directory.", "Un répertoire."), ("A directory.", "Un dossier.")]),
        ("A directory.", "Un dossier, un répertoire.", [("A directory.", "Un dossier.")]),
        ("A directory in a directory.", "Un dossier.", [("A directory.", "Un dossier.")]),
        ("A folder.", "Un dossier.", [("A directory.", "Un dossier.")]),
    ],
)
def test_a_term_that_is_not_consistent_is_left(source, target, before):
    assert not term(source, target, *before)


def test_nouns_of_another_gender_are_no_alternative():
    assert not term("A directory.", "Un dossier.", ("A directory.", "Un dossier."), known=("dossier", "liste"))


def test_nouns_must_be_frequent_translations():
    table = {"directory": ("dossier", "répertoire", "accord")}
    pairs = [("A directory.", "Un dossier.")] * 50 + [("A directory.", "Un répertoire.")] * 20
    train = [Sentence(1, *pair) for pair in [*pairs, ("A directory.", "Un accord."), *[("It is.", "Il est.")] * 300]]
    assert terms.frequent(train, LEXICON, table) == {"directory": ["dossier", "répertoire"]}


def test_plurals_are_stemmed_and_made():
    assert [terms.stem(word) for word in ("tableaux", "travaux", "directories", "clés", "class")] == [
        "tableau", "traval", "directory", "clé", "class",
    ]  # fmt: skip
    assert [terms.plural(noun) for noun in ("tableau", "canal", "avis", "clé")] == [
        "tableaux",
        "canaux",
        "avis",
        "clés",
    ]
    assert terms.in_number("notification", "avis", "avis") is None


def test_empty_lines_part_documents_and_lines_keep_their_numbers():
    documents = parted(["A.", "", "B.", "C."], ["Un.", "", "Deux.", "Trois."])
    assert [[each.line for each in document] for document in documents] == [[1], [3, 4]]


def test_items_say_where_they_are_from_and_are_there_once():
    document = [*BEFORE, Sentence(2, "It is empty.", "Il est vide."), Sentence(3, "It is empty.", "Il est vide.")]
    (item,) = items_of("folder", [[Sentence(1, "x", "y")], document], LEXICON, {})
    assert item[:4] == ("folder", 2, 2, "pronoun") and (item.word, item.swapped) == ("il", "elle")


def test_wilson():
    low, high = scoring.wilson(50, 100)
    assert (round(low, 4), round(high, 4)) == (0.4038, 0.5962)
    assert scoring.wilson(0, 10)[0] == pytest.approx(0) and scoring.wilson(10, 10)[1] == pytest.approx(1)


def test_documents_are_scored_as_prefix_and_pair_would_be(tokenizers, monkeypatch):
    config = DocumentTransformerConfig(
        num_layers=1, model_dim=16, ff_dim=32, num_heads=2, dropout=0.0, memory_length=24
    )
    model = config.build(len(tokenizers.target))
    params = random_params(model, spread=0.6)
    found = trained.Trained("made", model, params, tokenizers, Languages("en", "fr"), SearchConfig(), 32)
    texts = ["I have a cat.", "It is here.", "He is my friend.", "Go.", "It is here."]
    document = [Sentence(line, text, text[::-1]) for line, text in enumerate(texts, 1)]
    other = [Sentence(9, "Go.", "Go."), Sentence(10, "It is here.", "It is."), Sentence(11, "Go.", "No.")]
    items = [
        Item("folder", 1, each.line, "term", each.source, each.target, text, "", "")
        for each in (document[1], document[4], document[4], other[1])
        for text in ("a cat.", "my friend.")
    ]
    compared = []
    monkeypatch.setattr(scoring, "truer", lambda true, contrastive: compared.append((true, contrastive)) or True)
    scoring.in_documents(found, items, lambda folder: [document, other])
    translator, expected = Translator.of(found), []
    for item in items:
        whole = document if item.line < 9 else other
        prefix = [each for each in whole if each.line < item.line]
        scores = []
        for text in (item.true, item.contrastive):
            sources = [*(each.source for each in prefix), item.source]
            targets = [*(each.target for each in prefix), text]
            scores.append(translator.score(sources, targets, [0] * len(sources))[-1].log_prob)
        expected.append(scores)
    assert sorted(compared) == [pytest.approx(tuple(pair), abs=1e-4) for pair in sorted(expected)]
    # The memory counts: the same sentence is another alone.
    assert abs(translator.score([items[2].source], [items[2].true])[0].log_prob - expected[2][0]) > 1e-3
