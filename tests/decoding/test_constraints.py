"""Constraints in words, and samples, through a tokenizer and a model that knows nothing."""

import re

import pytest

from mt import SamplingConfig
from mt.commands.sampling import SamplingOptions
from mt.decoding.constraints import Constraints
from mt.errors import UserError


def test_each_text_has_its_own(tiny_translator):
    texts = ["Go.", "He is here.", "Go.", "I have a cat.", ""]
    constraints = [
        Constraints("Va t'e"),
        Constraints(required=(("ici",), ("chat", "chien"))),
        Constraints(required=(("très ", "{0}"),), forbidden=("et",)),
        Constraints("J", (("chats",),), ("est",)),
        Constraints(required=(("rien",),)),
    ]
    found = tiny_translator.translate(texts, constraints)
    assert found[0].startswith("Va t'e") and found[4] == ""
    assert re.search(r"\bici\b", found[1]) and re.search(r"\bchat\b|\bchien\b", found[1])
    assert re.search(r"\btrès\b|\{0\}", found[2]) and not re.search(r"\bet\b", found[2])
    assert found[3].startswith("J") and re.search(r"\bchats\b", found[3]) and not re.search(r"\best\b", found[3])
    # Neighbours make no difference, nor does the order.
    assert tiny_translator.translate(texts[2:3], constraints[2:3]) == found[2:3]
    assert tiny_translator.translate(texts[::-1], constraints[::-1]) == found[::-1]


def test_where_nothing_keeps_to_them_there_is_a_translation_that_says_so(tiny_translator):
    both = Constraints(required=(("chat",),), forbidden=("chat",))
    [[unmet]], [[plain]] = (tiny_translator.n_best(["Go."], 1, asked) for asked in ([both], None))
    assert unmet.text == plain.text and unmet.warnings == (*plain.warnings, "unmet")


def test_of_a_long_text_the_first_part_keeps_what_is_asked_and_all_what_is_forbidden(tiny_translator):
    [found] = tiny_translator.translate(["I have a cat. " * 20], [Constraints("Oh", (("chat",),), ("la", "le"))])
    assert found.startswith("Oh") and re.search(r"\bchat\b", found)
    # A model that knows nothing writes bytes that are no character; a word goes on with them, as with any letter's.
    assert not re.search(r"\bl[ae](?![\w\ufffd])", found)


def test_bad_constraints_are_named(tiny_translator):
    for constraints, said in (
        ([Constraints(required=(("",),))], "blank"),
        ([Constraints(), Constraints()], "2 for 1 texts"),
    ):
        with pytest.raises(UserError, match=said):
            tiny_translator.translate(["Go."], constraints)


def test_samples_depend_on_the_text_and_the_seed_alone(tiny_translator):
    texts = ["Go.", "He is here."]
    drawn = tiny_translator.n_best(texts, 6, sampling=SamplingConfig(seed=3))
    assert tiny_translator.n_best(texts[::-1], 6, sampling=SamplingConfig(seed=3)) == drawn[::-1]
    assert tiny_translator.n_best(texts, 6, sampling=SamplingConfig(seed=4)) != drawn
    assert all(len(of_text) == 6 for of_text in drawn)
    risks = tiny_translator.least_risk(texts, 6, SamplingConfig(seed=3))
    for of_text, ranked in zip(drawn, risks):
        assert {each.text for each in ranked} == {each.text for each in of_text}
        assert [each.score for each in ranked] == sorted((each.score for each in ranked), reverse=True)


@pytest.mark.parametrize(
    "options", [SamplingOptions(top_k=3), SamplingOptions(sample=True, least_risk=4), SamplingOptions(least_risk=-1)]
)
def test_options_of_sampling_that_do_not_go_together_are_refused(options):
    with pytest.raises(UserError, match="least-risk"):
        options.config()
