"""Command-line arguments as a dataclass, by tyro, with complaints in a sentence."""

import contextlib
import io
import os
import re
from typing import Any

import tyro

from mt.errors import UserError, nearest


def default(meaning: str, values: str | None = None) -> Any:
    """For `Annotated`: what help says of an option whose default is something else than its value shows.

    Args:
        meaning: of leaving the option out.
        values: that it takes; left out, as its type says.
    """
    return tyro.conf.arg(help_behavior_hint=f"(default: {meaning})", metavar=values)


def parse(program: str, kind: Any, arguments: list[str], default: Any = None) -> Any:
    """The dataclass that the arguments say. --help prints all of them and ends the program.

    Args:
        program: "mt VERB", for the help text.
        kind: the dataclass.
        arguments: after the verb.
        default: what is not said is as here, if it is given.

    Raises:
        UserError: an argument is unknown, missing or wrong.
    """
    complaint = io.StringIO()
    wide = contextlib.nullcontext() if {"-h", "--help"} & set(arguments) else _wide_screen()
    try:
        with contextlib.redirect_stderr(complaint), wide:
            given = {} if default is None else {"default": default}
            # Of what may be of several kinds, the options are those of the kind that the default is of.
            return tyro.cli(kind, args=arguments, prog=program, config=(tyro.conf.AvoidSubcommands,), **given)
    except SystemExit as ended:
        if not ended.code:
            raise
        raise UserError(_sentence(complaint.getvalue(), program)) from None


@contextlib.contextmanager
def _wide_screen():
    """tyro breaks the lines of its boxes to fit the screen; a sentence must be whole."""
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = "10000"
    try:
        yield
    finally:
        del os.environ["COLUMNS"]
        if before is not None:
            os.environ["COLUMNS"] = before


def _sentence(box: str, program: str) -> str:
    """What a box says, and the option of those it suggests that is nearest to the misspelt one."""
    plain = re.sub("\x1b\\[[0-9;]*m", "", box)
    lines = [line.strip("│ ") for line in plain.splitlines() if line[:1] not in "╭╰"]
    sections = re.split("\n[─-]{3,}", "\n".join(lines))
    # The title is in the box's frame, or, on a screen that can draw none, a section of its own.
    what, *rest = sections if "╭" in plain or len(sections) == 1 else sections[1:]
    what = re.sub(r"^Error parsing (run\S*: )?", "", " ".join(what.split())).rstrip(".")
    for before, after in (
        (r"invalid literal for int\(\) with base 10: ", "not a whole number: "),
        (r"could not convert string to float: ", "not a number: "),
        (r"'None', |, 'None'", ""),
    ):
        what = re.sub(before, after, what)
    near = re.findall(r"^(--\S+)", "\n".join(rest), re.MULTILINE) if "Perhaps you meant" in box else []
    wrong = re.search(r"--\S+[^\s,]", what)
    return f"{what}{nearest(wrong[0], near) if wrong else ''}; {program} --help tells all options"
