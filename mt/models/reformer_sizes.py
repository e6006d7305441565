"""What both Reformers have in common: the translator, and the language model."""

import dataclasses
import math
from typing import ClassVar, Literal

import flax.linen as nn

from mt.errors import UserError
from mt.layers.chunks import Window
from mt.layers.hashing import bucket_factors
from mt.layers.positions import AxialPositions, LearnedPositions, SinusoidalPositions
from mt.models.checks import TRAINED_POSITIONS, check_even, check_positions, check_sizes, check_turned

# Of rounds, and of chunks that are seen on one side: each is a product of its own.
_MOST = 1000
# Positions that are counted with, whatever max_positions says.
_ROOM = 4096


@dataclasses.dataclass(frozen=True)
class ReformerSizes:
    """Sizes and options of a Reformer.

    Attributes:
        num_layers: blocks; of a translator, in the encoder.
        model_dim: width of either residual stream.
        ff_dim: width inside the feed-forward network.
        num_heads: attention heads; must divide `model_dim`.
        activation: of the feed-forward network; "gelu" by its tanh approximation, "gelu_erf" exactly.
        attention: of the layers in turn, over and over: "local" looks at the own chunk of the sequence and at its
            neighbours, "lsh" at positions anywhere whose vectors hash alike.
        lsh_chunk: positions a chunk has of those that are sorted by their hashes. What is no longer is seen whole.
        lsh_before: chunks before its own that a position sees there.
        local_chunk: positions a chunk of the sequence has. What is no longer is seen whole.
        local_before: chunks before its own that a position sees there.
        circular: whether chunks stand in a circle, all rounds' in one, so that the first sees the last, and what
            several rounds find counts as often, as in Hugging Face's code. By the paper, there is nothing before the
            first, and it counts once.
        rounds: how often vectors are hashed; more find more of what full attention would look at.
        buckets: how many there are, even, or even factors of how many; left out, two to a chunk of max_positions, or as
            many as can be sorted.
        hash_seed: of the rotations that hash where nothing is trained; in training they are others each step.
        scale_embeddings: multiply embeddings by the square root of their width, as the Transformer does.
        positions: "axial" has a vector for the row and one for the column of a position, "learned" one for each, and
            "sinusoidal" none that is trained: for scaled embeddings, whose variance is 1 as theirs is about. With
            "rotary" nothing is added to embeddings: local layers know how far apart two tokens are, by turning their
            queries and keys (Su et al. 2021), and what hashes alike does so by what it is, wherever it stands.
        max_positions: how many there are. Those beyond share the last one's vector; of "sinusoidal" and "rotary" there
            are any number.
        axial_columns: positions a row has.
        axial_dim: width of a row's vector; left out, half.
        feed_forward_chunk: positions that are as wide as ff_dim at once; 0 is all of a batch.
        norm_epsilon: what layer normalisation adds to the variance before it divides.
        dropout: on embeddings and on each sublayer's output.
        attention_dropout: on attention weights.
        activation_dropout: inside the feed-forward network.
        dtype: of what sublayers compute; the streams, parameters, softmax, normalisation and loss are float32.
        reversible: compute activations anew from the last ones in the backward pass, so that memory does not grow with
            depth. Without, the same is computed, and all of it kept.
    """

    objective: ClassVar = "next_token"
    num_layers: int = 6
    model_dim: int = 512
    ff_dim: int = 2048
    num_heads: int = 8
    activation: Literal["relu", "gelu", "gelu_erf", "swish", "swiglu"] = "relu"
    attention: tuple[Literal["lsh", "local"], ...] = ("local", "lsh")
    lsh_chunk: int = 64
    lsh_before: int = 1
    local_chunk: int = 64
    local_before: int = 1
    circular: bool = False
    rounds: int = 4
    buckets: tuple[int, ...] = ()
    hash_seed: int = 0
    scale_embeddings: bool = False
    positions: Literal["axial", "learned", "sinusoidal", "rotary"] = "axial"
    max_positions: int = 16_384
    axial_columns: int = 128
    axial_dim: int | None = None
    feed_forward_chunk: int = 0
    norm_epsilon: float = 1e-6
    dropout: float = 0.1
    attention_dropout: float = 0.0
    activation_dropout: float = 0.0
    dtype: Literal["float32", "bfloat16"] = "float32"
    reversible: bool = True

    def __post_init__(self):
        check_sizes(
            self,
            (
                *("num_layers", "model_dim", "ff_dim", "num_heads", "lsh_chunk", "local_chunk", "rounds"),
                *("max_positions", "axial_columns", "axial_dim"),
            ),
            ("dropout", "attention_dropout", "activation_dropout"),
        )
        if self.rounds > _MOST:
            raise UserError(f"model.rounds: {self.rounds} are more than {_MOST:,}, which nobody can mean")
        self._check_not_negative("feed_forward_chunk")
        self._check_neighbours("lsh_before", "local_before")
        if not 0 <= self.hash_seed < 2**32:
            raise UserError(f"model.hash_seed: {self.hash_seed} is not between 0 and {2**32 - 1:,}")
        self._check_pattern("attention", self.num_layers)
        if any(factor < 2 or factor % 2 for factor in self.buckets):
            raise UserError(f"model.buckets: {self.buckets} are not all even and positive")
        self._check_buckets(self.max_positions)
        if self.positions == "sinusoidal":
            check_even(self)
        if self.positions == "rotary":
            check_turned(self)
        if self.positions == "axial" and not 0 < self.row_dim < self.model_dim:
            raise UserError(
                f"model.axial_dim: {self.row_dim} leaves no channel of model.model_dim {self.model_dim} to columns"
            )

    def _check_buckets(self, positions: int) -> None:
        # What is sorted is a bucket and a position; of these, translations may have more than a row.
        if math.prod(self.bucket_factors) * (4 * positions + _ROOM) >= 2**31:
            raise UserError(
                f"model.buckets: {math.prod(self.bucket_factors):,} are too many for {positions:,} positions; "
                "take fewer of either"
            )

    def _check_not_negative(self, field: str) -> None:
        if getattr(self, field) < 0:
            raise UserError(f"model.{field}: {getattr(self, field)} is negative")

    def _check_neighbours(self, *fields: str) -> None:
        for field in fields:
            self._check_not_negative(field)
            if getattr(self, field) > _MOST:
                raise UserError(f"model.{field}: {getattr(self, field)} are more than {_MOST:,} chunks; take fewer")

    def _check_pattern(self, field: str, layers: int) -> None:
        pattern = getattr(self, field)
        if not pattern or set(pattern) - {"lsh", "local"}:
            raise UserError(
                f'model.{field}: is {", ".join(pattern) or "empty"}; take "lsh", "local", or several of them'
            )
        if self.positions == "rotary" and "local" not in self.kinds(pattern, layers):
            raise UserError(f'model.{field}: no layer is "local", which positions rotary are for; add one')

    def kinds(self, pattern: tuple[str, ...], layers: int) -> tuple[str, ...]:
        """A pattern over that many layers."""
        return tuple(pattern[number % len(pattern)] for number in range(layers))

    def windows(self, lsh_after: int = 0, local_after: int = 0) -> dict[str, Window]:
        """How far chunks see, by the kind of attention."""
        return {
            "lsh": Window(self.lsh_chunk, self.lsh_before, lsh_after, self.circular),
            "local": Window(self.local_chunk, self.local_before, local_after, self.circular),
        }

    @property
    def bucket_factors(self) -> tuple[int, ...]:
        """Of the number of buckets."""
        if self.buckets:
            return self.buckets
        most = (2**31 - 1) // (4 * self.max_positions + _ROOM)  # see `_check_buckets`
        return bucket_factors(min(self.max_positions, most * self.lsh_chunk // 2), self.lsh_chunk)

    @property
    def row_dim(self) -> int:
        """Width of the vector for a row of positions."""
        return self.model_dim // 2 if self.axial_dim is None else self.axial_dim

    def check_row_lengths(self, *lengths: int) -> None:
        """Raises UserError where a row of so many tokens has more positions than there are."""
        if self.positions in TRAINED_POSITIONS:
            check_positions(self.max_positions, *lengths)
        else:
            self._check_buckets(max(lengths))

    def build_positions(self) -> nn.Module | None:
        """What positions are encoded by that is added to embeddings, if anything is."""
        if self.positions == "rotary":
            return None
        if self.positions == "sinusoidal":
            return SinusoidalPositions(self.model_dim)
        if self.positions == "learned":
            return LearnedPositions(self.max_positions, self.model_dim)
        return AxialPositions(self.max_positions, self.axial_columns, self.row_dim, self.model_dim)

    def attention_flops(self, kind: str, lengths: float, lsh_after: int = 0, local_after: int = 0) -> float:
        """Multiplications and additions, as one, of a layer's products with so many positions in all: projections,
        hashes, scores and values."""
        width, square = self.model_dim, self.model_dim**2
        window = self.windows(lsh_after, local_after)[kind]
        seen = window.length * (window.before + 1 + window.after)
        if kind == "local":
            return lengths * (4 * square + 2 * width * seen)
        hashed = width * sum(self.bucket_factors) / 2
        return lengths * (3 * square + self.rounds * (2 * width * seen + hashed))

    @property
    def feed_forward_flops(self) -> float:
        """Of a layer and position, a multiplication and an addition as one."""
        return (3 if self.activation == "swiglu" else 2) * self.model_dim * self.ff_dim
