"""What a line's own words ask of its translation."""

import dataclasses

import pytest

from mt import cli, pretrained
from mt.commands.constraining import ConstraintOptions, LineConstraints
from mt.decoding.constraints import Constraints
from mt.errors import UserError

TERMS = "cat\tmatou\ncat\tmatous\nsleeping cat\tdormeur\n\ntable\tguéridon\nC++\tC plus plus\n"


def test_the_longest_term_counts_in_any_case_and_as_whole_words(tmp_path):
    path = tmp_path / "terms.tsv"
    path.write_text(TERMS, "utf-8")
    of = LineConstraints(ConstraintOptions("Oh ", ("x",), ("y",), path)).of
    always = Constraints("Oh ", (("x",),), ("y",))
    assert of("Category, or cattle.") == always
    assert [ways for _, ways in of("A CAT, a table, a cat").terms] == [("matou", "matous"), ("guéridon",)]
    assert of("The Sleeping  cat").terms == ((("sleeping", "cat"), ("dormeur",)),)
    assert [ways for _, ways in of("I like C++.").terms] == [("C plus plus",)]
    parts = ["A dog.", "The cat and {0}.", "A CAT."]
    shared = dataclasses.replace(of("A dog. The cat and {0}. A CAT."), keep=("{0}",)).shared_out(parts)
    assert shared == [
        always,
        Constraints("", (("matou", "matous"),), ("y",), ("{0}",)),
        Constraints("", (("matou", "matous"),), ("y",)),
    ]
    assert LineConstraints(ConstraintOptions()).of("A cat.") == Constraints()


@pytest.mark.parametrize("line, said", [("cat", "line 2: no tab"), ("cat\t ", "line 2: a term is blank")])
def test_what_is_wrong_with_terms_is_said(line, said, tmp_path):
    path = tmp_path / "terms.tsv"
    path.write_text(f"a\tb\n{line}\n")
    with pytest.raises(UserError, match=said):
        LineConstraints(ConstraintOptions(terminology=path))
    with pytest.raises(UserError, match="no such file"):
        LineConstraints(ConstraintOptions(terminology=tmp_path / "other.tsv"))


def test_from_the_command_line(tmp_path, capsys):
    (tmp_path / "terms.tsv").write_text("cat\tchaton\n")
    (tmp_path / "text").write_text("The cat is sleeping.\nThank you.\n")
    words = ["translate", pretrained.DEFAULT, str(tmp_path / "text"), "--terminology", str(tmp_path / "terms.tsv")]
    assert cli.main([*words, "--forbid", "Merci"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert "chaton" in first and "Merci" not in second
    assert cli.main([*words, "--require", "Merci", "--forbid", "Merci"]) == 0
    assert "2 of the translations do not keep to what is asked" in capsys.readouterr().err
