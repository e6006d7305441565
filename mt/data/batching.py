"""Sentence pairs into batches of few static shapes. Pure numpy: the order in, the plan out.

A row of a batch holds one pair, or several that are packed: each is a segment, numbered from 1, whose positions start
from 0. What is left of a row is padding: token 0, segment 0.
"""

import dataclasses
from typing import Literal, NamedTuple

import numpy as np

from mt.data.tokenized import Side, TokenizedCorpus
from mt.errors import UserError

_OPEN_ROWS = 24


class Shape(NamedTuple):
    """Rows of the global batch, and the length of a row on either side; 0 where there is no source."""

    rows: int
    source_length: int
    target_length: int


@dataclasses.dataclass(frozen=True)
class BatchingConfig:
    """How pairs become batches.

    Attributes:
        kind: "packing" puts several pairs into each row of one length, "buckets" one pair into a row of its length's
            bucket. Packing is one shape to compile, fills it better, and has pairs of all lengths in each update;
            buckets waste no attention on neighbours. "documents" packs pairs in their order: each row of a batch goes
            on where that row of the batch before has ended, for models that remember. Lines of text alone that are
            longer than a row are cut then, and not left out.
        batch_tokens: target positions a batch, padding included, over all devices and accumulation steps.
        row_length: tokens a row holds on either side; the longest pair that can be trained on.
        num_buckets: how many shapes there are, with "buckets"; their bounds are fitted to the corpus.
        backwards: whether every other row reads its documents from their ends to their beginnings, with "documents",
            for models that see both what stands before and what stands after.
        shuffle_rows: whether rows come in any order, with "documents", for models that remember nothing of the row
            before: batches of a few long rows would otherwise be of one document for many updates.
        row_multiple: rows a batch are a multiple of this: of devices times accumulation steps, on any machine that the
            run is to go on with unchanged.
    """

    kind: Literal["packing", "buckets", "documents"] = "packing"
    batch_tokens: int = 32_768
    row_length: int = 256
    num_buckets: int = 12
    backwards: bool = False
    shuffle_rows: bool = False
    row_multiple: int = 8

    def __post_init__(self):
        for field in ("batch_tokens", "row_length", "num_buckets", "row_multiple"):
            if getattr(self, field) < 1:
                raise UserError(f"data.batching.{field}: {getattr(self, field)} is not positive")
        if self.backwards and self.kind != "documents":
            raise UserError(f"data.batching.backwards: of {self.kind} there is no order to turn; set kind to documents")
        if self.shuffle_rows and (self.kind != "documents" or self.backwards):
            raise UserError(
                "data.batching.shuffle_rows: is for data.batching.kind documents, without backwards; set it to false"
            )
        if self.batch_tokens < self.row_length * self.row_multiple:
            raise UserError(
                f"data.batching.batch_tokens: {self.batch_tokens} is less than row_length times row_multiple "
                f"({self.row_length * self.row_multiple}), the smallest batch"
            )

    def rows(self, length: int) -> int:
        """Rows of a batch whose rows are so long."""
        return self.batch_tokens // length // self.row_multiple * self.row_multiple


class Plan(NamedTuple):
    """Which pair goes where. Pairs are in the order of their batches.

    Attributes:
        pair: int64 [pairs], the pair's number in what was planned.
        row: int64 [pairs], within its batch.
        segment: int64 [pairs], within its row, from 1.
        source_offset, target_offset: int64 [pairs], where in the row it begins.
        starts: int64 [batches + 1], where in the arrays above each batch begins.
        shapes: a batch, its shape.
        document: int64 [pairs], the number of the document that each is in, from 1, if that is to be known.
    """

    pair: np.ndarray
    row: np.ndarray
    segment: np.ndarray
    source_offset: np.ndarray
    target_offset: np.ndarray
    starts: np.ndarray
    shapes: list[Shape]
    document: np.ndarray | None = None


def plan_packing(source_lengths: np.ndarray, target_lengths: np.ndarray, shape: Shape, seed: int) -> Plan:
    """First fit into the open rows, the fullest of which is closed when there are too many; then rows are shuffled.

    Args:
        source_lengths: int [pairs], at most shape.source_length.
        target_lengths: int [pairs], at most shape.target_length.
        shape: of every batch; the last one may hold empty rows.
        seed: of the shuffle.
    """
    pairs = len(source_lengths)
    row, segment, source_offset, target_offset = (np.empty(pairs, np.int64) for _ in range(4))
    open_rows: list[list[int]] = []  # each: number, source tokens, target tokens, pairs
    rows = 0
    room_source, room_target = shape.source_length, shape.target_length
    for pair, (source, target) in enumerate(zip(source_lengths.tolist(), target_lengths.tolist())):
        for place in open_rows:
            if place[1] + source <= room_source and place[2] + target <= room_target:
                break
        else:
            if len(open_rows) == _OPEN_ROWS:
                open_rows.remove(max(open_rows, key=lambda place: place[1] + place[2]))
            place = [rows, 0, 0, 0]
            open_rows.append(place)
            rows += 1
        row[pair], source_offset[pair], target_offset[pair], segment[pair] = place[0], place[1], place[2], place[3] + 1
        place[1] += source
        place[2] += target
        place[3] += 1
    row = np.random.default_rng(seed).permutation(rows)[row]
    batches = -(-rows // shape.rows)
    order = np.argsort(row, kind="stable")
    row = row[order]
    return Plan(
        order,
        row % shape.rows,
        segment[order],
        source_offset[order],
        target_offset[order],
        np.searchsorted(row, np.arange(batches + 1) * shape.rows),
        [shape] * batches,
    )


def plan_buckets(source_lengths: np.ndarray, target_lengths: np.ndarray, shapes: list[Shape], seed: int) -> Plan:
    """Each pair goes into the shortest shape that holds it; a shape's pairs fill its batches; batches are shuffled.

    Args:
        source_lengths: int [pairs].
        target_lengths: int [pairs].
        shapes: shortest first; the last one holds every pair. The last batch of each may hold empty rows.
        seed: of the shuffle.
    """
    fits_source = np.searchsorted([shape.source_length for shape in shapes], source_lengths)
    fits_target = np.searchsorted([shape.target_length for shape in shapes], target_lengths)
    bucket = np.maximum(fits_source, fits_target)
    chunks: list[np.ndarray] = []
    chunk_shapes: list[Shape] = []
    for number, shape in enumerate(shapes):
        own = np.flatnonzero(bucket == number)
        chunks += [own[start : start + shape.rows] for start in range(0, len(own), shape.rows)]
        chunk_shapes += [shape] * (len(chunks) - len(chunk_shapes))
    shuffled = np.random.default_rng(seed).permutation(len(chunks))
    chunks = [chunks[number] for number in shuffled]
    pair = np.concatenate(chunks)
    zeros = np.zeros(len(pair), np.int64)
    return Plan(
        pair,
        np.concatenate([np.arange(len(chunk)) for chunk in chunks]),
        zeros + 1,
        zeros,
        zeros,
        np.cumsum([0] + [len(chunk) for chunk in chunks]),
        [chunk_shapes[number] for number in shuffled],
    )


def plan_documents(
    source_lengths: np.ndarray,
    target_lengths: np.ndarray,
    documents: np.ndarray,
    shape: Shape,
    seed: int | None = None,
) -> Plan:
    """Each row has its share of the pairs, in their order: of each batch so many as it has room for.

    Args:
        source_lengths: int [pairs], at most shape.source_length.
        target_lengths: int [pairs], at most shape.target_length.
        documents: int [pairs], from 1, the document that each is in; pairs of one stand together.
        shape: of every batch. The rows' shares are about as many tokens each; the last batches may hold empty rows.
        seed: if rows are to be shuffled, which order.
    """
    pairs = len(source_lengths)
    tokens = np.cumsum(source_lengths + target_lengths)
    shares = np.searchsorted(tokens, tokens[-1] * np.arange(shape.rows + 1) / shape.rows)
    shares[-1] = pairs
    batch, row, segment, source_offset, target_offset = (np.empty(pairs, np.int64) for _ in range(5))
    for number in range(shape.rows):
        place, source_used, target_used, used = 0, 0, 0, 0
        for pair in range(shares[number], shares[number + 1]):
            source, target = int(source_lengths[pair]), int(target_lengths[pair])
            if source_used + source > shape.source_length or target_used + target > shape.target_length:
                place, source_used, target_used, used = place + 1, 0, 0, 0
            batch[pair], row[pair], segment[pair] = place, number, used + 1
            source_offset[pair], target_offset[pair] = source_used, target_used
            source_used, target_used, used = source_used + source, target_used + target, used + 1
    batches = int(batch.max()) + 1
    if seed is not None:
        shuffled = np.random.default_rng(seed).permutation(batches * shape.rows)
        batch, row = np.divmod(shuffled[batch * shape.rows + row], shape.rows)
    order = np.lexsort((segment, row, batch))
    return Plan(
        order,
        row[order],
        segment[order],
        source_offset[order],
        target_offset[order],
        np.searchsorted(batch[order], np.arange(batches + 1)),
        [shape] * batches,
        documents[order],
    )


def fit_buckets(source_lengths: np.ndarray, target_lengths: np.ndarray, config: BatchingConfig) -> list[Shape]:
    """The bucket bounds that leave the fewest padding positions, over all choices of `num_buckets` of them.

    A bucket's bound holds for both sides, so that a pair's length is that of its longer side. Dynamic programming over
    the histogram of lengths.
    """
    longest = np.maximum(source_lengths, target_lengths)
    counts = np.bincount(longest, minlength=config.row_length + 1)[: config.row_length + 1]
    cumulative = np.cumsum(counts)
    candidates = np.arange(config.row_length + 1)
    # cost[b]: positions that the cheapest buckets use for all pairs of length up to b, if b is a bound.
    cost = np.where(candidates > 0, cumulative * candidates, 0).astype(float)
    choices = []
    for _ in range(min(config.num_buckets, config.row_length) - 1):
        added = (cumulative[None, :] - cumulative[:, None]) * candidates[None, :].astype(float)
        total = np.where(candidates[:, None] < candidates[None, :], cost[:, None] + added, np.inf)
        choices.append(np.argmin(total, axis=0))
        cost = np.minimum(np.min(total, axis=0), cost)
    bounds = [config.row_length]
    for choice in reversed(choices):
        previous = int(choice[bounds[-1]])
        if previous < 1:
            break
        bounds.append(previous)
    return [Shape(config.rows(bound), bound, bound) for bound in reversed(bounds)]


def assemble(
    corpora: list[TokenizedCorpus], corpus: np.ndarray, index: np.ndarray, plan: Plan, batch: int, part: tuple[int, int]
) -> dict[str, np.ndarray]:
    """One batch's arrays, or one host's share of them.

    Args:
        corpora: where the tokens are.
        corpus: int [pairs], the corpus of each planned pair.
        index: int [pairs], its index there.
        plan: of those pairs.
        batch: which batch of the plan.
        part: (i, n): the i-th of n equal shares of the rows.

    Returns:
        int32 arrays [rows / n, length]: `{source,target}_{tokens,positions,segments}`, and `target_inputs`, which are
        the target's tokens shifted right by one with the corpora's `start` before each sentence. Where the plan knows
        documents, `{source,target}_documents` too, the number of each token's, 0 at padding.
    """
    shape = plan.shapes[batch]
    rows = shape.rows // part[1]
    first = part[0] * rows
    placed = slice(plan.starts[batch], plan.starts[batch + 1])
    chosen = np.arange(placed.start, placed.stop)
    chosen = chosen[(plan.row[placed] >= first) & (plan.row[placed] < first + rows)]
    pair = plan.pair[chosen]
    result: dict[str, np.ndarray] = {}
    for name, length, offsets in (
        ("source", shape.source_length, plan.source_offset),
        ("target", shape.target_length, plan.target_offset),
    ):
        fields = {field: np.zeros(rows * length, np.int32) for field in ("tokens", "positions", "segments")}
        if plan.document is not None:
            fields["documents"] = np.zeros(rows * length, np.int32)
        for number, each in enumerate(corpora):
            own = corpus[pair] == number
            begin = (plan.row[chosen[own]] - first) * length + offsets[chosen[own]]
            of_pairs = {"segments": plan.segment[chosen[own]]}
            if plan.document is not None:
                of_pairs["documents"] = plan.document[chosen[own]]
            _fill(getattr(each, name), index[pair[own]], begin, of_pairs, fields)
        for field, values in fields.items():
            result[f"{name}_{field}"] = values.reshape(rows, length)
    shifted = np.roll(result["target_tokens"], 1, axis=1)
    begins = (result["target_positions"] == 0) & (result["target_segments"] > 0)
    shifted[result["target_segments"] == 0] = 0
    result["target_inputs"] = np.where(begins, corpora[0].start, shifted).astype(np.int32)
    return result


def _fill(
    side: Side, index: np.ndarray, begin: np.ndarray, of_pairs: dict[str, np.ndarray], fields: dict[str, np.ndarray]
) -> None:
    """Writes pairs' tokens where they begin, their positions, and what is the same for all of a pair's tokens."""
    lengths = side.lengths[index].astype(np.int64)
    within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    places = np.repeat(begin, lengths) + within
    fields["tokens"][places] = side.tokens[np.repeat(side.starts[index], lengths) + within]
    fields["positions"][places] = within
    for field, values in of_pairs.items():
        fields[field][places] = np.repeat(values, lengths)
