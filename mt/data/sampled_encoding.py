"""SentencePiece's random ways to cut a sentence, as a function of a seed."""

import re
import threading
from collections.abc import Sequence
from typing import Any

import sentencepiece

from mt.errors import UserError

_SEEDING = threading.Lock()
_UNSEEDED = (0, 2, 2)


def sampled_encoding(
    processor: sentencepiece.SentencePieceProcessor, texts: Sequence[str], strength: float, seed: int, kind: type
) -> list[list[Any]]:
    """Each text cut in a way drawn at random.

    SentencePiece's generators belong to threads, and take the seed when a thread first draws; so the seed is set for a
    thread that has never drawn.

    Args:
        processor: a unigram or BPE model.
        texts: to cut.
        strength: see `subword_sampling.SubwordSamplingConfig`.
        seed: the same gives the same.
        kind: int for ids, str for pieces.

    Raises:
        UserError: the strength is no probability, but the model is of BPE; or this SentencePiece cannot be seeded.
    """
    from sentencepiece import sentencepiece_model_pb2

    version = sentencepiece.__version__
    if tuple(int(part) for part in re.findall(r"\d+", version)[:3]) >= _UNSEEDED:
        raise UserError(
            f"data.sampling: sentencepiece {version} draws other pieces in each process, so that a training could not "
            "be gone on with; install sentencepiece 0.2.1"
        )
    spec = sentencepiece_model_pb2.TrainerSpec  # type: ignore[attr-defined]
    model = sentencepiece_model_pb2.ModelProto.FromString(processor.serialized_model_proto())  # type: ignore[attr-defined]
    if model.trainer_spec.model_type == spec.BPE and strength > 1:
        raise UserError(
            f"data.sampling: with BPE, {strength} is the probability that a merge is left out; give one from 0 to 1"
        )
    found: list[list[list[Any]]] = []

    def draw() -> None:
        found.append(
            processor.encode(
                list(texts), out_type=kind, enable_sampling=True, alpha=strength, nbest_size=-1, num_threads=1
            )
        )

    thread = threading.Thread(target=draw)
    with _SEEDING:
        sentencepiece.set_random_generator_seed(seed)
        thread.start()
        thread.join()
    return found[0]
