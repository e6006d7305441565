"""Help fits a screen, or says of every option what it is, and what it is if it is left out."""

import dataclasses
import importlib
import re
import typing

import pytest

from mt import cli
from mt.commands import show

# What a text says that explains an empty default.
_EXPLAINED = re.compile(r"\b(left out|empty|none|if left out|unless|or nothing)\b|\b1 if")


def _dataclasses(kind: type) -> list[type]:
    """A dataclass and those that its fields are of."""
    found = [kind]
    for hint in typing.get_type_hints(kind).values():
        if dataclasses.is_dataclass(hint):
            found += _dataclasses(hint)
    return found


def _texts(kind: type) -> dict[str, str]:
    """What docstrings say of each field, its own and those of the classes that it extends."""
    found = {}
    for each in reversed(kind.__mro__):
        _, _, attributes = (each.__doc__ or "").partition("Attributes:\n")
        lines = [line.removeprefix("    ") for line in attributes.splitlines()]
        parts = re.split(r"^    (\w+): ", "\n".join(lines), flags=re.MULTILINE)
        found |= {name: " ".join(text.split()) for name, text in zip(parts[1::2], parts[2::2])}
    return found


VERBS = [verb for verb in cli.VERBS if verb != "show"]
KINDS = {
    **{verb: importlib.import_module(f"mt.commands.{verb}").Arguments for verb in VERBS},
    **{f"show {kind.__name__}": kind for kind in (show.Attention, show.Search, show.Curves, show.Model)},
}


@pytest.mark.parametrize("verb", KINDS)
def test_every_option_is_explained(verb):
    for kind in _dataclasses(KINDS[verb]):
        texts, hints = _texts(kind), typing.get_type_hints(kind, include_extras=True)
        for field in dataclasses.fields(kind):
            assert texts.get(field.name), f"{kind.__name__}.{field.name} is not explained"
            if field.default is None or field.default in ("", ()):
                said = "(default: " in str(hints[field.name]) or _EXPLAINED.search(texts[field.name])
                assert said, f"{kind.__name__}.{field.name}: what is it if it is left out?"


@pytest.mark.parametrize("verb", cli.VERBS)
def test_help_is_printed(verb, capsys):
    words = [verb, "attention"] if verb == "show" else [verb]
    with pytest.raises(SystemExit) as ended:
        cli.main([*words, "--help"])
    assert ended.value.code in (0, None)
    printed = capsys.readouterr().out
    assert f"usage: mt {verb}" in printed and "(default: None)" not in printed


def test_the_verbs_fit_a_screen(capsys):
    assert cli.main(["--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 24 and max(map(len, lines)) <= 100
