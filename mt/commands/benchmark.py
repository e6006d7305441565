"""`mt benchmark`: how fast training, translating, the input pipeline and the start are on this machine."""

import dataclasses
import itertools
import json
import pathlib
from typing import Annotated, Any, Literal, NamedTuple

import jax
import tyro

from mt import config as run_config
from mt import parallel, pretrained, trained
from mt.arguments import default
from mt.assembly import assemble
from mt.benchmarks import timing
from mt.benchmarks.decoding import growth, measure_search, measure_text
from mt.benchmarks.input import measure_input
from mt.benchmarks.start import measure_first_step, measure_translating
from mt.benchmarks.timing import Measurement
from mt.benchmarks.training import measure_training, random_batch
from mt.commands.evaluate import read_split
from mt.commands.positional import positional
from mt.commands.train import check_devices, make_tokenizers
from mt.config import RunConfig
from mt.data.pipeline import Position, TrainingData
from mt.data.text import read_lines
from mt.data.tokenized import default_cache
from mt.decoding.translator import Translator
from mt.errors import UserError
from mt.initialization import adopt, build_model
from mt.models.interface import dummy_batch, writes
from mt.serialization import from_json
from mt.training.objectives import initial_carry

_BAR = 40  # characters of the longest bar of a plot


@dataclasses.dataclass(frozen=True)
class Arguments:
    """Measures speed on this machine: the median of several repeats, the least and the most, and where arithmetic is
    counted, how much of it is useful (no padding) as a share of what the devices reach in a product of matrices.

    Attributes:
        what: "train": updates on the config's own batches. "decode": the beam search, greedy and wide, one sentence and
            many, and how its cost grows. "input": the data pipeline alone. "start": from the shell to the first
            translation (of a run) or to the first update (of a config).
        subject: a config (a .py file) or a run (the --workdir of a training).
        repeats: how often each thing is timed.
        steps: updates, or batches for which the corpus is read, a repeat ("train").
        synthetic: random words in full rows in place of the corpus ("train").
        text: file to translate, a sentence a line ("decode"); none is the run's own test set.
        sentences: how many of them; 0 is none.
        longest: the most tokens, beam and batch to which "decode" shows growth; 0 leaves it out.
        seconds: of each repeat ("input").
        json: one JSON object a line in place of the table.
        run: the config's fields.
    """

    what: tyro.conf.Positional[Literal["train", "decode", "input", "start"]]
    subject: tyro.conf.Positional[pathlib.Path]
    repeats: int = 5
    steps: int = 20
    synthetic: bool = False
    text: Annotated[pathlib.Path | None, default("the run's test set", "PATH")] = None
    sentences: int = 500
    longest: int = 200
    seconds: float = 2.0
    json: bool = False
    run: Annotated[tyro.conf.FlagConversionOff[RunConfig], tyro.conf.arg(name="")] = RunConfig()


class Subject(NamedTuple):
    """What is measured.

    Attributes:
        config: of the run, or to be one.
        found: the run's best checkpoint; None is a tokenizer that is yet to be trained, and random parameters.
    """

    config: RunConfig
    found: trained.Trained | None


def defaults(arguments: list[str]) -> Arguments | None:
    """What the config or run among the arguments says, so that the others are changes to it."""
    words = positional(arguments, ("--json", "--no-json", "--synthetic", "--no-synthetic"))
    if len(words) < 2:
        return None
    return Arguments(tyro.MISSING, tyro.MISSING, run=_config(pathlib.Path(words[1])))


def _config(path: pathlib.Path) -> RunConfig:
    path = pretrained.locate(path)
    if path.suffix == ".py":
        return run_config.read(path)
    return from_json(RunConfig, trained.read_config(path)["run"], str(path / trained.CONFIG))


def main(arguments: Arguments) -> None:
    """Runs the verb."""
    for field in ("repeats", "steps"):
        if getattr(arguments, field) < 1:
            raise UserError(f"--{field} {getattr(arguments, field)}: is not positive")
    if arguments.text and not arguments.text.is_file():
        raise UserError(f"--text {arguments.text}: no such file; check the path")
    if arguments.what == "decode":
        parallel.use_cores_as_devices()
    parallel.use_compilation_cache(default_cache() / "xla")
    what = {"train": _train, "decode": _decode, "input": _input, "start": _start}[arguments.what]
    if arguments.json:
        print(json.dumps({"environment": timing.environment()}))
    else:
        print(", ".join(f"{name} {value}" for name, value in timing.environment().items()))
    what(arguments, _Report(arguments.json, arguments.run.model.dtype))


class _Report:
    """Prints measurements as they come."""

    def __init__(self, as_json: bool, dtype: str):
        self._as_json, self._dtype = as_json, dtype
        self._peak = 0.0

    def add(self, found: Measurement, **more: Any) -> None:
        """Prints one."""
        if found.flops and not self._peak:
            self._peak = timing.matmul_peak(self._dtype)
            self._print({"name": f"peak ({self._dtype} products of matrices)", "flops": self._peak})
        self._print(
            {
                "name": found.name,
                "unit": found.unit,
                "median": found.median,
                "low": min(found.values),
                "high": max(found.values),
                "repeats": len(found.values),
                **({"flops": found.flops, "share_of_peak": found.flops / self._peak} if found.flops else {}),
                **more,
            }
        )

    def _print(self, line: dict[str, Any]) -> None:
        if self._as_json:
            print(json.dumps(line), flush=True)
            return
        figures = [f"{line['name']:45}"]
        if "median" in line:
            low, median, high = (_figure(line[each]) for each in ("low", "median", "high"))
            figures.append(f"{median:>10} {line['unit']} ({low} to {high}, {line['repeats']} times)")
        if "flops" in line:
            figures.append(f"{line['flops'] / 1e9:,.1f} GFLOP/s")
        if "share_of_peak" in line:
            figures.append(f"{line['share_of_peak']:.0%} of the peak")
        print("  ".join(figures), flush=True)

    def plot(self, varied: str, values: list[int], found: list[Measurement]) -> None:
        """Seconds a translated token against what was varied, as bars."""
        if self._as_json:
            for value, each in zip(values, found):
                self.add(each, varied=varied, value=value)
            return
        costs = [1e6 / each.median for each in found]
        print(f"\nmicroseconds a token, against {varied}:")
        for value, cost in zip(values, costs):
            print(f"{value:>6} {'█' * max(1, round(_BAR * cost / max(costs)))} {_figure(cost)}")


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _subject(arguments: Arguments) -> Subject:
    path = pretrained.locate(arguments.subject)
    if path.suffix == ".py":
        return Subject(adopt(arguments.run), None)
    found = trained.load(path)
    if found.model != dataclasses.replace(found.model, config=arguments.run.model):
        raise UserError(f"{path}: is trained; its model's fields cannot be changed, those of a config (.py) can")
    return Subject(arguments.run, found)


def _training_data(subject: Subject) -> tuple[TrainingData, Any]:
    """The run's or the config's, and the model over its vocabulary."""
    config, found = subject
    tokenizers = found.tokenizers if found else make_tokenizers(config)
    model = config.model.build(len(tokenizers.target), len(tokenizers.source))
    return TrainingData(config.data, tokenizers, config.seed, aligned=config.training.aligned), model


def _random_model(subject: Subject) -> Any:
    """The model where its vocabulary need not be known."""
    if subject.found:
        return subject.found.model
    return build_model(subject.config)


def _words(model: Any) -> int:
    """How many ids are both sides'."""
    return min(model.vocab, getattr(model, "source_vocab", None) or model.vocab)


def _train(arguments: Arguments, report: _Report) -> None:
    subject = _subject(arguments)
    config = subject.config
    check_devices(config)
    if arguments.synthetic:
        model, length = _random_model(subject), config.data.batching.row_length
        rows, aligned = config.data.batching.rows(length), config.training.aligned
        source_length = length if config.data.has_source else 0
        batches = [random_batch(rows, source_length, length, _words(model), aligned=aligned)]
    else:
        data, model = _training_data(subject)
        stream = data.batches(Position())
        batches = [batch for _, batch in itertools.islice(stream, arguments.steps)]
        stream.close()
    training = assemble(config, model)
    state = parallel.replicate(jax.jit(training.initial_state)())
    rows = len(batches[0]["target_tokens"])
    state = state._replace(carry=parallel.shard(jax.device_get(initial_carry(training.objective, rows))))
    report.add(measure_training(model, training.train_step, state, batches, arguments.steps, arguments.repeats))


def _decode(arguments: Arguments, report: _Report) -> None:
    subject = _subject(arguments)
    model = _random_model(subject)
    if not writes(model):
        raise UserError(f"{arguments.subject}: does not write, so there is no search to measure; take another model")
    vocab = _words(model)
    if subject.found:
        params = subject.found.params
    else:
        params = jax.jit(lambda: model.init(jax.random.key(0), dummy_batch())["params"])()
    params = parallel.replicate(params)
    devices = jax.local_device_count()
    for beam_size in (1, 4):
        for batch in (1, 32 * devices):
            report.add(measure_search(model, params, vocab, beam_size, batch, 24, 40, arguments.repeats))
    if arguments.sentences:
        _decode_text(arguments, subject, report)
    if arguments.longest:
        most = {name: arguments.longest for name in ("beam", "length", "batch")}
        for varied, values, found in growth(model, params, vocab, arguments.repeats, most):
            report.plot(varied, values, found)


def _decode_text(arguments: Arguments, subject: Subject, report: _Report) -> None:
    if subject.found is None:
        if arguments.text:
            raise UserError(f"--text {arguments.text}: only a run can translate text; name one in place of the config")
        return
    if arguments.text:
        lines = list(itertools.islice(read_lines(arguments.text), arguments.sentences))
    else:
        lines = [source for source, _ in read_split(arguments.subject, "test")[: arguments.sentences]]
    translator = Translator.of(subject.found)
    for beam_size in (1, 4):
        report.add(measure_text(translator, lines, beam_size, arguments.repeats))


def _input(arguments: Arguments, report: _Report) -> None:
    report.add(measure_input(_training_data(_subject(arguments))[0], arguments.seconds, arguments.repeats))


def _start(arguments: Arguments, report: _Report) -> None:
    if arguments.subject.suffix == ".py":
        report.add(measure_first_step(arguments.run, make_tokenizers(arguments.run), arguments.repeats))
    else:
        report.add(measure_translating(arguments.subject, arguments.repeats))
