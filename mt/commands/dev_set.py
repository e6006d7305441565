"""How good a training's parameters are on its dev set, and on its test set where nothing is translated."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from mt import evaluation, parallel
from mt.config import RunConfig
from mt.data.batching import Shape
from mt.data.datasets import read_pairs
from mt.data.document_order import apart
from mt.data.evaluation_batches import evaluation_batches
from mt.data.infilling import infill
from mt.data.pipeline import tokenized
from mt.data.tokenized import FilterConfig
from mt.data.tokenizers import Tokenizers
from mt.decoding.remembering import remembers
from mt.decoding.translator import Translator
from mt.training.objectives import Objective, initial_carry
from mt.training.train_step import evaluate_on_devices, make_evaluation_step


def dev_evaluation(
    config: RunConfig, tokenizers: Tokenizers, shapes: list[Shape], model: Any, objective: Objective
) -> Callable[[Any], dict[str, float]]:
    """A function from parameters to the dev set's loss, and to its BLEU where there are translations."""
    loss = loss_on("dev", config, tokenizers, shapes, objective)
    bleu = _dev_bleu(config, tokenizers, model) if config.translates else None
    return lambda params: {"loss": loss(params)} | ({"bleu": bleu(params)} if bleu else {})


def loss_on(
    split: str, config: RunConfig, tokenizers: Tokenizers, shapes: list[Shape], objective: Objective
) -> Callable[[Any], float]:
    """A function from replicated parameters to the loss on "dev" or "test", in nats for each of what the objective
    counts; all hosts call it together."""
    sums = sums_on(config.data.corpus(split), split, config, tokenizers, shapes, objective)

    def loss(params: Any) -> float:
        nll, weight = sums(params)
        return nll / weight

    return loss


def sums_on(
    corpus: str, split: str, config: RunConfig, tokenizers: Tokenizers, shapes: list[Shape], objective: Objective
) -> Callable[[Any], tuple[float, float]]:
    """A function from replicated parameters to the loss on a corpus' split, in nats, and to the count of what it is of;
    all hosts call it together."""
    batching = config.data.batching
    keep_all = FilterConfig(max_length=batching.row_length, max_ratio=float("inf"), duplicates="keep")
    made_of = config.data, corpus, split, tokenizers, keep_all
    if parallel.is_main():
        tokenized(*made_of)
    parallel.wait_for_all(f"{split} set tokenised")
    found = tokenized(*made_of)
    if (infilling := config.data.infilling).share:
        which, index = np.zeros(len(found), np.int64), np.arange(len(found))
        found = infill([found], which, index, tokenizers, infilling, batching.row_length, [0])
    part = jax.process_index(), jax.process_count()
    evaluation_step = evaluate_on_devices(make_evaluation_step(objective))
    carry = parallel.shard(jax.device_get(initial_carry(objective, shapes[0].rows // jax.process_count())))

    def sums_of(params: Any) -> tuple[float, float]:
        nll = weight = 0.0
        remembered = carry
        for batch in evaluation_batches(found, batching, shapes, part):
            sums, remembered = evaluation_step((params, remembered), parallel.shard(batch))
            sums = jax.device_get(sums)
            nll, weight = nll + float(sums["nll"]), weight + float(sums["weight"])
        return nll, weight

    return sums_of


def _dev_bleu(config: RunConfig, tokenizers: Tokenizers, model: Any) -> Callable[[Any], float]:
    """A function from parameters to the BLEU of the dev set's translations, or of some of them."""
    pairs, numbers = apart(read_pairs(config.data.corpus("dev"), "dev", config.data.languages))
    wanted = config.training.dev_sentences or len(pairs)
    documents = None
    if remembers(model):  # whole documents
        documents = [number for number in numbers if number <= numbers[min(wanted, len(pairs)) - 1]]
        pairs = pairs[: len(documents)]
    else:
        pairs = pairs[:: max(1, len(pairs) // wanted)][:wanted]
    longest, whole = config.data.batching.row_length, config.data.whole_documents
    translator = Translator(model, None, tokenizers, config.search, longest, whole)
    search: dict[str, Any] = {"beam_size": 1} if config.training.dev_search == "greedy" else {}

    def bleu(params: Any) -> float:
        found = 0.0
        if parallel.is_main():
            translator.params = parallel.on_one_device(params)
            translations = translator.translate([source for source, _ in pairs], documents=documents, **search)
            translator.params = None
            found = evaluation.score_by("BLEU", translations, [target for _, target in pairs])
        return parallel.from_main(found)

    return bleu
