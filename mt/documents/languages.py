"""Codes of languages, as documents write them."""


def same_language(one: str, other: str) -> bool:
    """Whether two codes are of one language, of whatever regions: en, en-GB, EN_us."""
    return _without_region(one) == _without_region(other)


def _without_region(code: str) -> str:
    return code.lower().replace("_", "-").split("-")[0]
