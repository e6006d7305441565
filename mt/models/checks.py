"""What sizes of a model must be, whichever it is."""

from typing import Any

from mt.errors import UserError

# Positions that are parameters, up to max_positions; of all others there are any number.
TRAINED_POSITIONS = ("learned", "axial")
_MOST_LAYERS, _WIDEST = 1_000, 10_000_000


def check_sizes(config: Any, sizes: tuple[str, ...], shares: tuple[str, ...]) -> None:
    """Raises UserError where a model could not be built.

    Args:
        config: of the model, with `model_dim`, `num_heads` and `norm_epsilon`.
        sizes: fields that are positive, or None.
        shares: fields that are in [0, 1).
    """
    for field in sizes:
        value, most = getattr(config, field), _MOST_LAYERS if field.endswith("layers") else _WIDEST
        if value is not None and value < 1:
            raise UserError(f"model.{field}: {value} is not positive")
        if value is not None and value > most:
            raise UserError(f"model.{field}: {value} is more than {most:,}, which nobody can mean")
    if config.model_dim % config.num_heads:
        raise UserError(f"model.num_heads: {config.num_heads} does not divide model.model_dim {config.model_dim}")
    if not 0 < config.norm_epsilon < 1:
        raise UserError(f"model.norm_epsilon: {config.norm_epsilon} is not between 0 and 1")
    for field in shares:
        if not 0 <= getattr(config, field) < 1:
            raise UserError(f"model.{field}: {getattr(config, field)} is not in [0, 1)")


def check_one_sequence(max_positions: int, source_length: int, target_length: int) -> None:
    """Raises UserError where a source and its target, one after the other, have more positions than there are."""
    if source_length + target_length > max_positions:
        rows = "twice data.batching.row_length" if source_length else "data.batching.row_length"
        raise UserError(f"model.max_positions: {max_positions} are fewer than {rows} {target_length}")


def check_text_alone(name: str, source_length: int) -> None:
    """Raises UserError where there is a source, which a model of text has no place for."""
    if source_length:
        raise UserError(f"model: {name} reads text of one language; set data.source_language to nothing")


def check_positions(max_positions: int, *lengths: int) -> None:
    """Raises UserError where a row of so many tokens has more positions than there are."""
    if max(lengths) > max_positions:
        raise UserError(
            f"model.max_positions: {max_positions} are fewer than data.batching.row_length {max(lengths)}; raise them, "
            "or lower that"
        )


def check_turned(config: Any) -> None:
    """Raises UserError where a head's channels cannot be turned by two."""
    if config.model_dim // config.num_heads % 2:
        raise UserError(
            f"model.positions: rotary turns channels by two, but a head has {config.model_dim // config.num_heads}; "
            "change model.num_heads"
        )


def check_memory(config: Any) -> None:
    """Raises UserError where `memory_length` or `max_distance` cannot be, or relative positions have no sines."""
    for field in ("memory_length", "max_distance"):
        if getattr(config, field) < 0:
            raise UserError(f"model.{field}: {getattr(config, field)} is negative")
    check_even(config)


def check_even(config: Any) -> None:
    """Raises UserError where sines and cosines do not come to `model_dim`."""
    if config.model_dim % 2:
        raise UserError(f"model.model_dim: {config.model_dim} is odd; sines and cosines need it even")


def check_one_vocabulary(architecture: str, vocab: int, source_vocab: int | None) -> None:
    """Raises UserError where the source has a vocabulary of its own."""
    if source_vocab not in (None, vocab):
        raise UserError(
            f"model.architecture: {architecture} has one vocabulary, but the source's has {source_vocab} pieces and "
            f"the target's {vocab}"
        )


def check_tied(tie_embeddings: str, vocab: int, source_vocab: int | None) -> None:
    """Raises UserError where one table is to serve two vocabularies."""
    if source_vocab not in (None, vocab) and tie_embeddings in ("all", "inputs"):
        raise UserError(
            f"model.tie_embeddings: {tie_embeddings!r} needs one vocabulary, but the source's has "
            f"{source_vocab} pieces and the target's {vocab}; take 'target' or 'none'"
        )
