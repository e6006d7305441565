"""Terms that a document has translated one way so far, and that its corpus translates in another way too."""

import collections
import re

from tests.benchmarks.contrastive.documents import WORD, Sentence, Swap, words
from tests.benchmarks.contrastive.french import Lexicon, replaced

_LEAST = 10  # pairs of the training side in which a term and a noun must stand together
_LIFT = 3  # times as often as by chance
_SHARE = 0.05  # of the pairs in which the term stands
# Nouns that translate a term and mean the same. Aligning words of the training sides has proposed most of them; those
# that differ by what is meant are left out (the "numéro" and the "nombre" of "number"), as the sentence itself decides.
_NOUNS = """
affliction: misère détresse souffrance
agent: agent mandataire représentant
agreement: accord contrat arrangement; entente convention
annuity: rente annuité pension
applicant: demandeur requérant
application: demande requête
approval: approbation autorisation
area: zone région
argument: argument paramètre
army: armée troupe
assignment: affectation assignation
authority: autorité administration
board: conseil office
border: limite frontière
boundary: limite frontière
buffer: tampon buffer
bug: bug bogue
captain: chef capitaine
change: changement; modification évolution
child: enfant fils
children: enfant fils
city: ville cité
claim: demande réclamation revendication
class: catégorie classe
command: commande instruction
commandment: commandement ordre précepte
company: société compagnie entreprise
compensation: indemnité compensation indemnisation
condition: condition modalité
congregation: assemblée congrégation
contravention: contravention infraction
contributor: contributeur cotisant
core: cœur noyau
corner: angle coin
corporation: société compagnie
crowd: foule multitude
damage: dommage préjudice
debt: dette créance
development: développement aménagement
device: dispositif appareil instrument
director: directeur administrateur
directory: dossier répertoire
disclosure: communication divulgation
disposition: disposition aliénation
dispute: différend litige
driver: pilote driver
elder: ancien vieillard
employee: employé fonctionnaire salarié
encoding: encodage codage
equipment: équipement matériel
exemption: exemption dispense
feature: fonctionnalité caractéristique
flag: drapeau flag indicateur
garment: vêtement habit
handler: gestionnaire handler
holder: titulaire détenteur
house: maison demeure
identifier: identifiant identificateur
implementation: implémentation implantation
individual: individu particulier
iniquity: iniquité faute
instruction: instruction directive
instrument: texte instrument
investment: placement investissement
issuance: délivrance émission
knowledge: connaissance science
land: pays territoire; terre contrée
length: longueur taille
library: bibliothèque librairie
location: lieu endroit emplacement
lovingkindness: bonté miséricorde
management: gestion direction
manager: gestionnaire manager
manner: façon manière
matter: question affaire
meeting: réunion assemblée séance
mercy: miséricorde bonté compassion
multitude: foule multitude
notice: avis préavis
objective: objectif but
offering: offrande oblation
opportunity: occasion possibilité
order: décret arrêté
owner: propriétaire possesseur
package: paquet package
parameter: paramètre argument
pattern: motif masque modèle filtre
payment: paiement versement
penalty: pénalité sanction amende
place: lieu endroit
portion: part portion
power: puissance force
priest: sacrificateur prêtre
prince: chef prince
proceeding: procédure instance poursuite
purpose: but objet objectif
quarter: quart quartier
record: dossier registre
registrar: registraire greffier conservateur
request: demande requête
requirement: exigence obligation
rock: rocher roc
row: ligne rangée
salary: traitement salaire
salt: sel salt
script: script programme
security: sécurité sûreté
seed: postérité race semence
servant: serviteur esclave
set: jeu ensemble
setting: paramètre réglage
statement: requête instruction déclaration
status: statut état
strength: force puissance
superannuation: pension retraite
superintendent: surintendant directeur
tag: balise étiquette
tax: taxe imposition
taxation: imposition taxation
term: condition modalité
timestamp: horodatage timestamp
township: canton township
transaction: opération transaction
travel: voyage déplacement
vessel: bâtiment navire
way: façon manière; voie route
womb: sein ventre
wrath: colère fureur
"""
TABLE = {
    term: tuple(re.findall(r"\w+", nouns))
    for term, _, nouns in (line.partition(":") for line in _NOUNS.split("\n")[1:-1])
}
Terms = dict[str, list[str]]


def frequent(train: list[Sentence], lexicon: Lexicon, table: dict[str, tuple[str, ...]] = TABLE) -> Terms:
    """Of each term's nouns those that translate it in a corpus, the most frequent first."""
    together: collections.Counter[tuple[str, str]] = collections.Counter()
    alone: collections.Counter[str] = collections.Counter()
    nouns, stems = {noun for every in table.values() for noun in every}, {stem(term): term for term in table}
    for sentence in train:
        source = {stems[each] for each in map(stem, words(sentence.source)) if each in stems}
        target = nouns & set(map(stem, words(sentence.target)))
        alone.update(source)
        alone.update(f"fr {noun}" for noun in target)
        together.update((term, noun) for term in source for noun in target.intersection(table[term]))
    found: Terms = {}
    for (term, noun), count in together.most_common():
        chance = alone[term] * alone[f"fr {noun}"] / len(train)
        if count >= max(_LEAST, _SHARE * alone[term], _LIFT * chance) and lexicon.gender(noun):
            found.setdefault(stem(term), []).append(noun)
    return found


def swaps(sentence: Sentence, before: list[Sentence], terms: Terms, lexicon: Lexicon) -> list[Swap]:
    """Translations with another of a term's nouns than the document has had so far, one a term.

    Args:
        sentence: of a document.
        before: those of the document before it.
        terms: of the corpus, see `frequent`.
        lexicon: of its French side.
    """
    found: dict[str, Swap] = {}
    source = list(map(stem, words(sentence.source)))
    places = list(WORD.finditer(sentence.target))
    target = [stem(place[0].lower().replace("’", "'")) for place in places]
    for term in terms.keys() & set(source):
        for used, other in alternatives(terms[term], lexicon):
            # As often on both sides, or another word has been translated so.
            if source.count(term) != target.count(used) or other in target or term in found:
                continue
            distance = consistent(term, used, other, before)
            if distance is None:
                continue
            text: str | None = sentence.target
            for number in reversed([number for number, each in enumerate(target) if each == used]):
                new = in_number(other, used, places[number][0].lower())
                if text is None or new is None:
                    text = None
                    break
                text = replaced(text, *places[number].span(), new, lexicon.gender(used) or "", lexicon)
            if text is not None:
                found[term] = Swap(text, used, other, distance)
    return [found[term] for term in sorted(found)]


def alternatives(nouns: list[str], lexicon: Lexicon) -> list[tuple[str, str]]:
    """Two nouns of one gender each."""
    return [(a, b) for a in nouns for b in nouns if a != b and lexicon.gender(a) == lexicon.gender(b)]


def consistent(term: str, used: str, other: str, before: list[Sentence]) -> int | None:
    """How many sentences before the term last stood, if it was translated so there, and never by the other noun."""
    distance = None
    for back, sentence in enumerate(reversed(before), 1):
        if term not in map(stem, words(sentence.source)):
            continue
        target = set(map(stem, words(sentence.target)))
        if other in target or (distance is None and used not in target):
            return None
        distance = distance or back
    return distance


def in_number(noun: str, model: str, form: str) -> str | None:
    """A noun in the number in which another stands; None where its form does not tell.

    Args:
        noun: in the singular.
        model: the other, in the singular.
        form: in which that one stands.
    """
    if plural(model) == model:
        return noun if plural(noun) == noun else None
    return noun if form == model else plural(noun)


def plural(noun: str) -> str:
    """A French noun's plural."""
    if noun[-1] in "sxz":
        return noun
    return noun[:-2] + "aux" if noun.endswith("al") else noun + ("x" if noun.endswith(("eau", "eu")) else "s")


def stem(word: str) -> str:
    """A word without what makes it a plural, in either language."""
    word = word.rstrip("'")
    if word.endswith("aux"):
        return word[:-1] if word.endswith("eaux") else word[:-3] + "al"
    if word.endswith("ies"):
        return word[:-3] + "y"
    return word[:-1] if len(word) > 3 and word[-1] in "sx" and not word.endswith("ss") else word
