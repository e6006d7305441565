"""`python -m mt` is `mt`."""

from mt.cli import run

run()
