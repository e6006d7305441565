"""Frozen dataclasses as JSON values and back, with errors that name the field."""

import dataclasses
import types
import typing
from typing import Any

from mt.errors import UserError, nearest

_TAG = "architecture"  # the field that tells dataclasses from each other that may stand in one place


def to_json(value: Any) -> Any:
    """A dataclass as nested dicts; tuples become lists."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, tuple):
        return [to_json(item) for item in value]
    return value


def from_json(cls: Any, value: Any, where: str) -> Any:
    """The dataclass that `to_json` was given.

    Args:
        cls: of what class, or of which classes one, that are told from each other by their field `architecture`.
        value: parsed JSON.
        where: the file, for error messages.

    Raises:
        UserError: a field is unknown, of the wrong kind, or out of its range. Missing fields take their defaults.
    """
    return _parse(cls, value, where, "")


def _parse(kind: Any, value: Any, where: str, path: str) -> Any:
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        if not isinstance(value, dict):
            raise UserError(f"{where}: {path or 'the file'} must be an object, not {value!r}")
        hints = typing.get_type_hints(kind)
        fields = {field.name for field in dataclasses.fields(kind)}
        for name in value:
            if name not in fields:
                raise UserError(f"{where}: unknown field {_join(path, name)}{nearest(name, fields)}")
        parsed = {name: _parse(hints[name], item, where, _join(path, name)) for name, item in value.items()}
        try:
            return kind(**parsed)
        except (UserError, TypeError) as error:  # out of range, or a field without a default left out
            raise UserError(f"{where}: {error}") from None
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple:
        if not isinstance(value, list):
            raise UserError(f"{where}: {path} must be a list, not {value!r}")
        return tuple(_parse(arguments[0], item, where, path) for item in value)
    if origin is typing.Literal:
        allowed: tuple[Any, ...] = arguments
        if value not in allowed:
            raise UserError(f"{where}: {path} must be one of {', '.join(map(str, allowed))}, not {value!r}")
        return value
    if origin in (typing.Union, types.UnionType):
        allowed = tuple(argument for argument in arguments if argument is not types.NoneType)
        if len(allowed) > 1:
            return _parse(_meant(allowed, value, where, path), value, where, path)
        return None if value is None and types.NoneType in arguments else _parse(allowed[0], value, where, path)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise UserError(f"{where}: {path} must be of type {kind.__name__}, not {value!r}")
    return value


def _meant(kinds: tuple[Any, ...], value: Any, where: str, path: str) -> Any:
    """Which of several dataclasses is meant: that which has the value's `architecture` as its own, or the first."""
    names = {str(getattr(kind, _TAG)): kind for kind in kinds}  # a field's default is its class' attribute
    name = value.get(_TAG, next(iter(names))) if isinstance(value, dict) else next(iter(names))
    if name not in names:
        hint = nearest(str(name), names)
        raise UserError(f"{where}: {_join(path, _TAG)} must be one of {', '.join(names)}, not {name!r}{hint}")
    return names[name]


def flatten(value: Any, path: str = "") -> dict[str, Any]:
    """Nested dicts as one dict from dotted names to values."""
    if not isinstance(value, dict):
        return {path: value}
    return {name: leaf for key, item in value.items() for name, leaf in flatten(item, _join(path, key)).items()}


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
