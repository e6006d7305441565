"""Lines of JSON that say more than their text."""

import json

import pytest

from mt import cli, pretrained
from mt.commands.requests import Request, read_request
from mt.decoding.constraints import Constraints
from mt.errors import UserError


def test_what_a_line_asks():
    line = {"source": "a", "prefix": "b", "require": ["c", ["d", "e"]], "forbid": "f", "keep": ["g"], "id": 7}
    asked = Constraints("b", (("c",), ("d", "e")), ("f",), ("g",))
    assert read_request(json.dumps(line), "line 1", False) == Request("a", asked, '{"id": 7}')
    assert read_request(" ", "line 1", False) == Request("")


@pytest.mark.parametrize(
    "line, said",
    [
        ("{", "line 3: not JSON"),
        ('["a"]', 'line 3: no text "source"'),
        ('{"text": "a"}', 'line 3: no text "source"'),
        ('{"source": "a", "prefix": 1}', '"prefix" is not a text'),
        ('{"source": "a", "require": [1]}', '"require" is not a list of texts'),
        ('{"source": "a", "forbid": [["b"]]}', '"forbid" is not a list of texts'),
        ('{"source": "a", "prefx": "b"}', "did you mean prefix"),
        (r'{"source": "a", "id": "\ud800"}', "line 3: half a surrogate pair"),
        ('{"source": "a", "id": NaN}', "line 3: not JSON"),
        ('{"source": "a", "id": 1e999}', "line 3: not JSON"),
    ],
)
def test_what_is_wrong_is_said(line, said):
    with pytest.raises(UserError, match=said):
        read_request(line, "line 3", False)


def test_half_a_surrogate_pair_is_replaced_where_it_is_to_be():
    line = r'{"source": "a \ud800", "require": ["\udc00"], "id": "\ud83d\ude00 \ud83d"}'
    asked = Constraints(required=(("\ufffd",),))
    assert read_request(line, "line 1", True) == Request("a \ufffd", asked, '{"id": "\U0001f600 \ufffd"}')


def test_from_the_command_line(tmp_path, capsys):
    path = tmp_path / "lines.jsonl"
    path.write_text(
        '{"source": "The cat is {0}.", "keep": ["{0}"], "id": "x"}\n{"source": "Thank you.", "forbid": ["Merci"]}\n'
    )
    words = ["translate", pretrained.DEFAULT, str(path), "--format", "jsonl", "--json"]
    assert cli.main([*words, "--require", "est"]) == 0
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert first["id"] == "x" and first["line"] == 1 and "{0}" in first["translations"][0]["text"]
    assert "est" in first["translations"][0]["text"].split() and "Merci" not in second["translations"][0]["text"]
    path.write_text('{"source": "Fine."}\n{"sauce": "a"}\n')
    assert cli.main([*words, "--output", str(tmp_path / "out")]) == 2
    assert "lines.jsonl, line 2" in capsys.readouterr().err and not (tmp_path / "out").exists()
