"""`mt train`: from a config to a run that translates."""

import contextlib
import dataclasses
import math
import pathlib
import shlex
import sys
from typing import Annotated, Any

import jax
import tyro

from mt import config as run_config
from mt import parallel, trained
from mt.arguments import default
from mt.assembly import Training, assemble
from mt.bundles import is_bundle
from mt.checkpoint import Checkpoints, Damaged, can_go_on, steps
from mt.commands import evaluate as evaluate_command
from mt.commands.dev_set import dev_evaluation, loss_on
from mt.commands.positional import positional
from mt.config import RunConfig
from mt.data.batching import Shape
from mt.data.datasets import fingerprint, read_pairs
from mt.data.pieces import MASK, mask_of
from mt.data.pipeline import DataConfig, Position, TrainingData
from mt.data.tokenized import default_cache
from mt.data.tokenizer import Tokenizer, TokenizerConfig
from mt.data.tokenizers import NAMES, Tokenizers
from mt.decoding.generator import Generator
from mt.decoding.translator import Translator
from mt.errors import UserError
from mt.files import locked, write_json
from mt.initialization import (
    adopt,
    existing_tokenizers,
    has_tokenizers,
    params_of_parts,
    parts,
    start,
    starting_params,
)
from mt.training.loop import go_on_from, train
from mt.training.metrics_writer import MetricsWriter
from mt.training.objectives import Objective
from mt.training.optimizer import schedule
from mt.training.train_step import TrainState

_STOPPED = 75
_DIED = (
    "mt: error: another process of this training has died; give all of them the same command again, and they go on "
    "from the newest checkpoint"
)


@dataclasses.dataclass(frozen=True)
class Arguments:
    """Trains a translator, or goes on with a training that was interrupted.

    Attributes:
        config: a Python file with a function get_config(), see configs/. Any field of it can be changed below.
        workdir: folder of the run; one that has checkpoints is gone on with.
        coordinator: HOST:PORT of the first of several processes that train together; empty is
            $JAX_COORDINATOR_ADDRESS, or what a TPU pod says by itself.
        num_processes: how many processes; 0 is $JAX_NUM_PROCESSES.
        process_id: which of them this is, from 0; -1 is $JAX_PROCESS_ID.
        run: the config's fields.
    """

    config: tyro.conf.Positional[pathlib.Path]
    workdir: pathlib.Path
    coordinator: Annotated[str, default("$JAX_COORDINATOR_ADDRESS, or as a TPU pod says")] = ""
    num_processes: int = 0
    process_id: int = -1
    run: Annotated[tyro.conf.FlagConversionOff[RunConfig], tyro.conf.arg(name="")] = RunConfig()


def defaults(arguments: list[str]) -> Arguments | None:
    """What the config file among the arguments says, so that the others are changes to it."""
    found = [each for each in positional(arguments) if each.endswith(".py")]
    if not found and (not arguments or {"-h", "--help"} & set(arguments)):
        return None
    path = pathlib.Path((found or arguments)[0])
    if str(path).startswith("-"):
        raise UserError("mt train: name a config file first, for example configs/tatoeba_en_fr_tiny.py")
    return Arguments(config=path, workdir=tyro.MISSING, run=run_config.read(path))


def main(arguments: Arguments) -> int:
    """Runs the verb.

    Returns:
        The exit status: 0, or 75 where it was asked to stop before the last step, or another of its processes has died
        (sysexits.h's "try again later"), so that what should follow a whole training does not follow half of one.
    """
    parallel.initialize(arguments.coordinator, arguments.num_processes, arguments.process_id)
    parallel.use_compilation_cache(default_cache() / "xla")
    run = arguments.workdir
    config = adopt(arguments.run, run)
    _log(f"devices: {parallel.describe()}")
    check_devices(config)
    if parallel.is_main():
        _check_folder(run)
    with parallel.leaving_with_the_others(_DIED, _STOPPED):
        with locked(run) if parallel.is_main() else contextlib.nullcontext():
            finished = _train(run, config)
        parallel.wait_for_all("finished")
    return 0 if finished else _STOPPED


def _train(run: pathlib.Path, config: RunConfig) -> bool:
    """Trains; whether to the last step."""
    tokenizers = _prepare(run, config)
    data = _training_data(config, tokenizers)
    for line in data.report():
        _log(line)

    model = config.model.build(len(tokenizers.target), len(tokenizers.source))
    training = assemble(config, model, tokenizers)
    checkpoints = Checkpoints(run, config.training.keep_last, config.training.keep_best)
    state, step, position = _start(config, checkpoints, training, tokenizers, model)
    batches = data.batches(position)
    writer = MetricsWriter(run) if parallel.is_main() else None
    state, step, over = train(
        state,
        step,
        position,
        training.train_step,
        ((after, parallel.shard(batch)) for after, batch in batches),
        dev_evaluation(config, tokenizers, data.shapes, model, training.objective),
        schedule(config.optimizer, config.training.steps),
        checkpoints,
        writer,
        config.training,
    )
    batches.close()
    if over:
        if step < config.training.steps:
            _log(f"stopped early at step {step}: {config.training.patience} evaluations brought nothing better")
        if not (config.translates or config.is_language_model):
            best = checkpoints.best()[1]
            state, _ = go_on_from(best, checkpoints, state)
            _report_loss(run, best, state.best_params, config, tokenizers, data.shapes, training.objective)
    else:
        _log(f"stopped and saved at step {step} of {config.training.steps}; the same command goes on from there")
    checkpoints.close()
    if writer is not None:
        writer.close()
        if over and config.translates:
            _show_translations(run, _reported_split(config), trained.load(run))
        elif over and config.is_language_model:
            _show_text(run, _reported_split(config), trained.load(run))
    return over


def _log(line: str) -> None:
    if parallel.is_main():
        print(line, file=sys.stderr, flush=True)


def check_devices(config: RunConfig) -> None:
    """Raises UserError where batches cannot be divided among the devices there are."""
    parts = jax.device_count() * config.training.accumulation_steps
    if config.data.batching.row_multiple % parts:
        raise UserError(
            f"data.batching.row_multiple: {config.data.batching.row_multiple} is not a multiple of "
            f"{jax.device_count()} devices times {config.training.accumulation_steps} accumulation steps; set it to "
            f"{parts} or a multiple"
        )


def _check_folder(run: pathlib.Path) -> None:
    if is_bundle(run):
        raise UserError(f"{run}: is a bundle, not a run; train it further in a new --workdir, with --start-from {run}")
    if run.exists() and not (run / trained.CONFIG).is_file():
        # A start that was killed may have left its lock, half-written files (dotted names), a tokenizer.
        if not run.is_dir() or any(
            entry.name not in NAMES and not entry.name.startswith(".") for entry in run.iterdir()
        ):
            raise UserError(f"{run}: exists and is not a run; name an empty or a new folder as --workdir")


def _prepare(run: pathlib.Path, config: RunConfig) -> Tokenizers:
    """Makes the run's folder, or checks that it is of this config; the first host does, the others wait for it."""
    if parallel.is_main():
        begun = (run / trained.CONFIG).is_file()
        if begun and steps(run):
            if not can_go_on(run, steps(run)[-1]):
                raise UserError(
                    f"{run}: has parameters but no state of a training (it was imported or averaged); train it further "
                    f"in a new --workdir, with --start-from {run}"
                )
            before = trained.read_config(run)
            run_config.check_same(run, before["run"], config)
            write_json(run / trained.CONFIG, run_config.describe(config, before["tokenizer_sha256"]))
        else:  # also where an earlier start saved nothing: there is nothing to contradict
            tokenizers = make_tokenizers(config)
            tokenizers.save(run)
            write_json(run / trained.CONFIG, run_config.describe(config, tokenizers.sha256))
    parallel.wait_for_all("run prepared")
    return Tokenizers.load(run, trained.read_config(run)["tokenizer_sha256"])


def make_tokenizers(config: RunConfig) -> Tokenizers:
    """Those of the model that the training starts from, or one that is trained or read as the config says.

    Raises:
        UserError: there is nothing to learn from, or what there is has no piece for what is to be hidden.
    """
    dev, _ = config.data.corpus("dev"), config.data.training_corpora  # asked for early, while nothing has been done
    if has_tokenizers(config):
        found = existing_tokenizers(config)
        if config.hides:
            mask_of(found.target)
        return found
    wanted = config.tokenizer
    if config.hides and MASK not in wanted.symbols:
        wanted = dataclasses.replace(wanted, symbols=(*wanted.symbols, MASK))
    return Tokenizers.shared(_train_tokenizer(wanted, config.data, dev))


def _train_tokenizer(config: TokenizerConfig, data: DataConfig, dev: str) -> Tokenizer:
    """Trains the tokenizer on the training text, of each corpus in proportion to its weight."""
    corpora, weights = data.training_corpora, data.train_weights or (1.0,) * len(data.train)
    sizes = [sum(1 for _ in read_pairs(corpus, "train", data.languages)) for corpus in corpora]
    if not any(sizes):
        raise UserError(f"data.train: {', '.join(data.train)} is empty; there is nothing to train on")
    if next(read_pairs(dev, "dev", data.languages), None) is None:
        raise UserError(f"data.dev: {dev} is empty; name another corpus")
    shares = [weight / max(weights) for weight in weights]
    lines_read = (1 + data.translates) * sum(size * share for size, share in zip(sizes, shares))
    shares = [share * min(1.0, config.training_lines / lines_read) for share in shares]
    chosen = sum(math.ceil(size * share) for size, share in zip(sizes, shares))
    unit = "pairs" if data.translates else "lines"
    _log(f"learning a vocabulary of {config.vocab_size:,} pieces from {chosen:,} of {sum(sizes):,} {unit}")
    lines = (
        text
        for corpus, share in zip(corpora, shares)
        for number, pair in enumerate(read_pairs(corpus, "train", data.languages))
        if math.ceil((number + 1) * share) > math.ceil(number * share)  # spread evenly, the first among them
        for text in (pair if data.translates else pair[1:])
    )
    tokenizer = Tokenizer.train(lines, config)
    if len(tokenizer) != config.vocab_size:
        _log(f"the text has enough for {len(tokenizer):,} pieces only")
    return tokenizer


def _training_data(config: RunConfig, tokenizers: Tokenizers) -> TrainingData:
    """The first host tokenises; the others then find it done, where they share its cache."""
    share = jax.process_count(), jax.process_index()
    aligned = config.training.aligned
    data = TrainingData(config.data, tokenizers, config.seed, *share, aligned) if parallel.is_main() else None
    parallel.wait_for_all("data tokenised")
    return data or TrainingData(config.data, tokenizers, config.seed, *share, aligned)


def _start(
    config: RunConfig, checkpoints: Checkpoints, training: Training, tokenizers: Tokenizers, model: Any
) -> tuple[TrainState, int, Position]:
    """The state to begin with: of the newest checkpoint, or a new one."""
    shapes = jax.eval_shape(training.initial_state)
    _log(f"model: {sum(leaf.size for leaf in jax.tree.leaves(shapes.params)):,} parameters")
    damaged: dict[int, Damaged] = {}
    for step in checkpoints.steps():
        error = begun = None
        try:
            begun = go_on_from(step, checkpoints, shapes)
        except Damaged as reason:
            error = reason
        if parallel.any_host(error is not None):
            damaged[step] = error or Damaged(f"the checkpoint of step {step} is damaged, as another host sees it")
            continue
        assert begun is not None
        for each in damaged:
            aside = checkpoints.set_aside(each)
            _log(f"the checkpoint of step {each} is damaged: it is in {aside} now, and one before it is taken")
        _log(f"going on from step {step}")
        return begun[0], step, begun[1]
    if damaged:
        raise next(iter(damaged.values()))
    params = None
    if folder := start(config):
        found = trained.load(folder)
        params = starting_params(found, tokenizers, model, config.seed)
        _log(f"starting from {found.name}")
    elif begun_from := parts(config):
        params = params_of_parts(config, model)
        _log("starting from " + " and ".join(f"the {side} of {folder}" for side, folder in begun_from.items()))
    return parallel.replicate(jax.jit(training.initial_state)(params)), 0, Position()


def _reported_split(config: RunConfig) -> str:
    """ "test", or "dev" where there is no test set, which is then said."""
    try:
        fingerprint(config.data.corpus("test"), "test", config.data.languages)
    except UserError as error:
        _log(f"no test set ({error}); reporting on the dev set")
        return "dev"
    return "test"


def _report_loss(
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
        sentences = sum(1 for _ in read_pairs(config.data.corpus(split), split, config.data.languages))
        signature = "of hidden tokens" if config.model.objective == "masked_token" else "of restored text"
        metrics = {"perplexity": {"score": math.exp(min(loss, 100)), "signature": signature}}
        result = evaluate_command.tell(split, f"{run} at step {step}", sentences, metrics)
        write_json(run / f"evaluation-{split}.json", result)


def _show_text(run: pathlib.Path, split: str, found: trained.Trained) -> None:
    """Reports on one of the run's splits, and shows how some of its lines could go on."""
    texts = [text for _, text in evaluate_command.read_split(run, split)]
    write_json(run / f"evaluation-{split}.json", evaluate_command.report_text(split, found, texts))
    begun = [" ".join(text.split()[:2]) for text in texts[:: max(1, len(texts) // 4)]]
    print()
    for way, *_ in Generator.of(found).generate(begun):
        print(f"  {way.text}")
    print("\nTo go on with text, type:")
    print(f"  mt generate {shlex.quote(str(run))} {shlex.quote(begun[0])}")


def _show_translations(run: pathlib.Path, split: str, found: trained.Trained) -> None:
    """Reports on one of the run's splits, shows some translations, and says how to go on."""
    pairs = evaluate_command.read_split(run, split)
    translator = Translator.of(found)
    translations = evaluate_command.translate_all(translator, [source for source, _ in pairs], {})
    result = evaluate_command.report(split, found.name, translations, pairs)
    write_json(run / f"evaluation-{split}.json", result)
    print()
    for number in range(0, len(pairs), max(1, len(pairs) // 4)):
        print(f"  {found.languages.source}: {pairs[number][0]}")
        print(f"  {found.languages.target}: {translations[number]}\n")
    print("To translate, type:")
    print(f"  echo {shlex.quote(pairs[0][0])} | mt translate {shlex.quote(str(run))}")
