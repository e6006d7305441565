"""What a training that has ended says: how good the model is on its test set, and what to type next."""

import math
import pathlib
import shlex
import textwrap
from typing import Any

from mt import parallel, trained
from mt.commands.dev_set import loss_on
from mt.commands.evaluate import read_split, read_split_in_documents, report, translate_all
from mt.commands.reporting import log, report_text, tell
from mt.config import RunConfig
from mt.data.batching import Shape
from mt.data.datasets import fingerprint
from mt.data.tokenizers import Tokenizers
from mt.decoding.generator import Generator
from mt.decoding.translator import Translator
from mt.errors import UserError
from mt.files import write_json
from mt.training.objectives import Objective

# Characters of a text that are shown.
_SHOWN = 300
# By objective, where it is not of text that infilling has taken from the source.
_LOSS_IS = {"masked_token": "of hidden tokens", "permuted_token": "of tokens found in a random order"}


def _reported_split(config: RunConfig) -> str:
    """ "test", or "dev" where there is no test set, which is then said."""
    try:
        fingerprint(config.data.corpus("test"), "test", config.data.languages)
    except UserError as error:
        log(f"no test set ({error}); reporting on the dev set")
        return "dev"
    return "test"


def report_loss(
    run: pathlib.Path,
    step: int,
    params: Any,
    config: RunConfig,
    tokenizers: Tokenizers,
    shapes: list[Shape],
    objective: Objective,
) -> None:
    """Reports on the test set where that is a loss alone; all hosts call it together."""
    split = _reported_split(config)
    loss = loss_on(split, config, tokenizers, shapes, objective)(params)
    if parallel.is_main():
        sentences = len(read_split(run, split))
        signature = _LOSS_IS.get(config.model.objective, "of restored text")
        metrics = {"perplexity": {"score": math.exp(min(loss, 100)), "signature": signature}}
        result = tell(split, f"{run} at step {step}", sentences, metrics)
        write_json(run / f"evaluation-{split}.json", result)


def show_text(run: pathlib.Path, config: RunConfig) -> None:
    """Reports on the test set, and shows how some of its lines could go on."""
    split, found = _reported_split(config), trained.load(run)
    texts = [text for _, text in read_split(run, split)]
    write_json(run / f"evaluation-{split}.json", report_text(split, run, found, "", split, texts))
    begun = [" ".join(text.split()[:2]) for text in texts[:: max(1, len(texts) // 4)]]
    print()
    for way, *_ in Generator.of(found).generate(begun):
        print(f"  {way.text}")
    print("\nTo go on with text, type:")
    print(f"  mt generate {shlex.quote(str(run))} {shlex.quote(begun[0])}")


def show_translations(run: pathlib.Path, config: RunConfig) -> None:
    """Reports on the test set, shows some translations, and says how to go on."""
    split, found = _reported_split(config), trained.load(run)
    pairs, numbers = read_split_in_documents(run, split)
    translator = Translator.of(found)
    translations = translate_all(translator, [source for source, _ in pairs], {}, numbers)
    result = report(split, found.name, translations, pairs, numbers)
    write_json(run / f"evaluation-{split}.json", result)
    print()
    for number in range(0, len(pairs), max(1, len(pairs) // 4)):
        print(f"  {found.languages.source}: {_beginning(pairs[number][0])}")
        print(f"  {found.languages.target}: {_beginning(translations[number])}\n")
    print("To translate, type:")
    print(f"  echo {shlex.quote(_beginning(pairs[0][0]))} | mt translate {shlex.quote(str(run))}")


def _beginning(text: str) -> str:
    """Of a whole document, what is worth showing."""
    return textwrap.shorten(text, _SHOWN, placeholder=" ...") if len(text) > _SHOWN else text
