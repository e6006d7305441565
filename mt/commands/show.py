"""`mt show`: pictures of attention, of the search, of trainings, and a model's parameters."""

import dataclasses
import pathlib
from collections.abc import Callable
from typing import Annotated, Any

import jax
import tyro

from mt import config as run_config
from mt import parallel, pretrained, trained
from mt.arguments import default
from mt.data.tokenized import default_cache
from mt.decoding.translator import Translator
from mt.errors import UserError
from mt.files import check_output, write_atomically
from mt.models.interface import dummy_batch
from mt.pictures import attention, curves, parameters, search_tree
from mt.pictures.plotting import FORMATS, figure, save


@dataclasses.dataclass(frozen=True)
class Attention:
    """Draws where each attention head looks as a sentence is translated: a picture for the encoder, for the decoder,
    and for the decoder's look at the source, and a page of HTML with all of them.

    Attributes:
        text: the sentence.
        run: the --workdir of a training, a bundle, or the name of a model that ships.
        target: its translation; left out, the model's.
        output: what the files are called: OUTPUT-encoder-self.png and so on, and OUTPUT.html.
        checkpoint: "best" on the dev set, "last", or a step.
    """

    text: tyro.conf.Positional[str]
    run: pathlib.Path = pathlib.Path(pretrained.DEFAULT)
    target: Annotated[str | None, default("the model's own", "STR")] = None
    output: str = "attention"
    checkpoint: str = "best"


@dataclasses.dataclass(frozen=True)
class Search:
    """Shows what was in the beam as a sentence was translated, as a tree: each hypothesis with its log-probability in
    nats, each end with the score by which it is ranked, the best marked. Chains without a branch are one line.

    Attributes:
        text: the sentence.
        run: the --workdir of a training, a bundle, or the name of a model that ships.
        beam_size: hypotheses kept; left out, the run's config says.
        length_penalty: left out, the run's config says.
        output: file for a picture (.png, .svg or .pdf) too; empty is none.
        checkpoint: "best" on the dev set, "last", or a step.
    """

    text: tyro.conf.Positional[str]
    run: pathlib.Path = pathlib.Path(pretrained.DEFAULT)
    beam_size: Annotated[int | None, default("the run's", "INT")] = None
    length_penalty: Annotated[float | None, default("the run's", "FLOAT")] = None
    output: Annotated[str, default("none")] = ""
    checkpoint: str = "best"


@dataclasses.dataclass(frozen=True)
class Curves:
    """Draws trainings' losses, BLEU, learning rate and speed, several over each other.

    Attributes:
        runs: the --workdir of each.
        output: file for the picture (.png, .svg or .pdf).
    """

    runs: tyro.conf.Positional[tuple[pathlib.Path, ...]]
    output: str = "curves.png"


@dataclasses.dataclass(frozen=True)
class Model:
    """Lists a model's parameters: name, shape, count, and share of all.

    Attributes:
        subject: a config (a Python file, see configs/), the --workdir of a training, a bundle, or the name of a model
            that ships. Of a config, the vocabulary has the size that it asks for.
    """

    subject: tyro.conf.Positional[pathlib.Path] = pathlib.Path(pretrained.DEFAULT)


Arguments = (
    Annotated[Attention, tyro.conf.subcommand("attention")]
    | Annotated[Search, tyro.conf.subcommand("search")]
    | Annotated[Curves, tyro.conf.subcommand("curves")]
    | Annotated[Model, tyro.conf.subcommand("model")]
)


def main(arguments: Any) -> None:
    """Runs the verb."""
    shown: dict[type, Callable[[Any], None]] = {
        Attention: _attention,
        Search: _search,
        Curves: _curves,
        Model: _model,
    }
    shown[type(arguments)](arguments)


def _attention(arguments: Attention) -> None:
    figure(1, 1)  # says what is missing before any work
    page = check_output(pathlib.Path(f"{arguments.output}.html"), "--output")
    found = _translator(arguments).attention(arguments.text, arguments.target)
    for name in found.maps:
        path = page.with_name(f"{page.stem}-{attention.short_name(name)}.png")
        save(attention.draw(found, name), path)
        print(path)
    write_atomically(page, attention.page(found).encode())
    print(page)


def _search(arguments: Search) -> None:
    path = _picture(arguments.output) if arguments.output else None
    search = {field: getattr(arguments, field) for field in ("beam_size", "length_penalty")}
    steps = _translator(arguments).trace(
        arguments.text, **{field: value for field, value in search.items() if value is not None}
    )
    tree = search_tree.tree(steps)
    print(search_tree.text(tree), end="")
    if path:
        save(search_tree.draw(tree), path)
        print(path)


def _curves(arguments: Curves) -> None:
    path = _picture(arguments.output)
    if not arguments.runs:
        raise UserError("runs: name the --workdir of one training at least")
    save(curves.draw(arguments.runs), path)
    print(path)


def _model(arguments: Model) -> None:
    if arguments.subject.suffix == ".py":
        read = run_config.read(arguments.subject)
        model = read.model.build(read.tokenizer.vocab_size)
        params: Any = jax.eval_shape(lambda: model.init(jax.random.key(0), dummy_batch())["params"])
    else:
        params = trained.load(pretrained.locate(arguments.subject)).params
    print(parameters.table(params), end="")


def _picture(name: str) -> pathlib.Path:
    """The file for a picture, once it is sure that one can be drawn and written.

    Raises:
        UserError: it cannot.
    """
    figure(1, 1)
    path = pathlib.Path(name)
    if path.suffix not in FORMATS:
        raise UserError(f"--output {name}: take a name that ends in {', '.join(FORMATS)}")
    return check_output(path, "--output")


def _translator(arguments: Attention | Search) -> Translator:
    parallel.use_compilation_cache(default_cache() / "xla")
    return Translator.load(arguments.run, checkpoint=arguments.checkpoint)
