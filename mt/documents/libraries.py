"""The libraries that read formats."""

import importlib
from types import ModuleType

from mt.errors import UserError


def library(name: str, format_: str) -> ModuleType:
    """A module of one of them.

    Raises:
        UserError: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UserError(f"{format_} needs the extra documents: pip install 'mt[documents]' ({error})") from None
