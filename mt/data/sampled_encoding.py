"""SentencePiece's random ways to cut a sentence, as a function of a seed."""

import threading
from collections.abc import Sequence
from typing import Any

import sentencepiece

_SEEDING = threading.Lock()


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
    """
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
