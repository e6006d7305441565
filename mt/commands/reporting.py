"""What `mt evaluate` and `mt train` say of a model on a test set."""

import dataclasses
import math
import pathlib
import sys
from typing import Any

from mt import parallel, trained
from mt.commands.dev_set import sums_on
from mt.config import RunConfig
from mt.data.batching import Shape
from mt.decoding.generator import Generator
from mt.errors import UserError
from mt.serialization import from_json
from mt.training.objectives import TranslationObjective


def log(line: str) -> None:
    """Says something on standard error, once for all hosts."""
    if parallel.is_main():
        print(line, file=sys.stderr, flush=True)


def tell(name: str, model: str, sentences: int, metrics: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Prints metrics as a table, and returns them with what they are of."""
    print(f"{name}: {sentences:,} sentences, by {model}")
    width = max(map(len, metrics))
    for metric, found in metrics.items():
        print(f"  {metric:{width}} {found['score']:6.2f}  {found['signature']}")
    return {"name": name, "model": model, "sentences": sentences, "metrics": metrics}


def remembering(found: trained.Trained, memory_length: int | None) -> trained.Trained:
    """A model that remembers so many tokens, which its name says; None is as many as in training. Of a translator that
    is to remember nothing only the name differs: without documents it reads each sentence by itself.

    Raises:
        UserError: it does not remember, or the number is negative.
    """
    if memory_length is None:
        return found
    if not hasattr(found.model, "initial_carry"):
        raise UserError(f"--memory-length: {found.name} remembers nothing; leave it out")
    if memory_length < 0:
        raise UserError(f"--memory-length: {memory_length} is negative; give 0 or more")
    found = found._replace(name=f"{found.name}, memory {memory_length}")
    if not memory_length and found.languages.source:
        return found
    config = dataclasses.replace(found.model.config, memory_length=memory_length)
    return found._replace(model=found.model.clone(config=config))


def report_text(
    name: str, run: pathlib.Path, found: trained.Trained, corpus: str, split: str, texts: list[str]
) -> dict[str, Any]:
    """Prints how likely a language model finds text as a table, and returns it with what it is of.

    Args:
        name: of the text.
        run: of the model.
        found: the model.
        corpus: where the text is; empty is the run's own.
        split: of the corpus.
        texts: its lines.
    """
    config = from_json(RunConfig, trained.read_config(run)["run"], str(run / trained.CONFIG))
    if config.data.batching.kind == "documents":
        longest = config.data.batching.row_length
        nats, tokens = _of_documents(config, found, corpus, split)
        known = texts
        if not config.data.cuts_lines:
            ids = found.tokenizers.target.encode(texts)
            known = [text for text, own in zip(texts, ids) if len(own) <= longest]
    else:
        longest, scores = 1024, Generator.of(found).likelihoods(texts)
        known = [text for text, score in zip(texts, scores) if score]
        nats = -sum(score.log_prob for score in scores if score)
        tokens = sum(len(score.pieces) for score in scores if score)
    if len(known) < len(texts):
        left_out = f"{len(texts) - len(known):,} lines have more than {longest:,} tokens"
        print(f"{left_out}, and are left out", file=sys.stderr)
    if not tokens:
        raise UserError(f"{name}: no line is short enough; there is nothing to evaluate on")
    characters = sum(len(text) + 1 for text in known)
    pieces = len(found.tokenizers.target)
    metrics = {
        "perplexity": {
            "score": math.exp(min(nats / tokens, 100)),
            "signature": f"{tokens:,} tokens of a vocabulary of {pieces:,}, lines' ends counted",
        },
        "bits per character": {
            "score": nats / math.log(2) / characters,
            "signature": f"{characters:,} characters, lines' ends counted",
        },
    }
    return tell(name, found.name, len(known), metrics)


def _of_documents(config: RunConfig, found: trained.Trained, corpus: str, split: str) -> tuple[float, int]:
    """The negative log-likelihood of text in its order in nats, and its tokens."""
    length = config.data.batching.row_length
    shapes = [Shape(config.data.batching.rows(length), 0, length)]
    objective = TranslationObjective(found.model)
    corpora = (
        (corpus,) if corpus else config.data.training_corpora if split == "train" else (config.data.corpus(split),)
    )
    params = parallel.replicate(found.params)
    sums = [sums_on(each, split, config, found.tokenizers, shapes, objective)(params) for each in corpora]
    return sum(nll for nll, _ in sums), round(sum(weight for _, weight in sums))
