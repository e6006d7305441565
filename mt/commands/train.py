"""`mt train`: from a config to a run that translates."""

import contextlib
import dataclasses
import math
import pathlib
from typing import Annotated, Any

import jax
import tyro

from mt import config as run_config
from mt import parallel, trained
from mt.arguments import default
from mt.assembly import Training, assemble
from mt.bundles import is_bundle
from mt.checkpoint import Checkpoints, Damaged, can_go_on, steps
from mt.commands.closing import report_loss, show_text, show_translations
from mt.commands.dev_set import dev_evaluation
from mt.commands.positional import positional
from mt.commands.reporting import log
from mt.commands.starting import check_heeded, differences
from mt.config import RunConfig
from mt.data.data_config import DataConfig
from mt.data.datasets import read_pairs
from mt.data.pieces import MASK, mask_of
from mt.data.pipeline import Position, TrainingData
from mt.data.tokenized import default_cache
from mt.data.tokenizer import Tokenizer, TokenizerConfig
from mt.data.tokenizers import NAMES, Tokenizers
from mt.decoding.beam_search import SearchConfig
from mt.errors import UserError
from mt.files import locked, write_json
from mt.initialization import (
    adopt,
    build_model,
    existing_tokenizers,
    has_tokenizers,
    params_of_parts,
    parts,
    start,
    starting_params,
)
from mt.serialization import from_json, to_json
from mt.training.loop import go_on_from, train
from mt.training.metrics_writer import MetricsWriter
from mt.training.objectives import initial_carry
from mt.training.optimizer import schedule
from mt.training.skipped import SkippedText
from mt.training.soundness import Unsound
from mt.training.stopping import STATUS, Stop, Stopped
from mt.training.train_step import TrainState

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
        join_seconds: how long each waits for the others at the start.
        run: the config's fields.
    """

    config: tyro.conf.Positional[pathlib.Path]
    workdir: pathlib.Path
    coordinator: Annotated[str, default("$JAX_COORDINATOR_ADDRESS, or as a TPU pod says")] = ""
    num_processes: int = 0
    process_id: int = -1
    join_seconds: float = 50.0
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
    several = arguments.coordinator, arguments.num_processes, arguments.process_id
    parallel.initialize(*several, arguments.join_seconds, status=STATUS)
    parallel.use_compilation_cache(default_cache() / "xla")
    run = arguments.workdir
    config = adopt(_searching_as_tuned(arguments.run, run), run)
    if config.model != arguments.run.model or has_tokenizers(arguments.run):
        check_heeded(run_config.read(arguments.config), arguments.run, config)
    if config.model != arguments.run.model:
        log(f"model: as what it starts from has it ({differences(arguments.run.model, config.model)})")
    log(f"devices: {parallel.describe()}")
    check_devices(config)
    if parallel.is_main():
        _check_folder(run)
    if config.optimizer.frozen:  # names that no parameter has are better known before any text is read
        jax.eval_shape(assemble(config, build_model(config)).initial_state)
    try:
        with Stop() as stop, parallel.leaving_with_the_others(_DIED, STATUS):
            with locked(run) if parallel.is_main() else contextlib.nullcontext():
                finished = _train(run, config, stop)
            parallel.wait_for_all("finished")
    except Stopped:
        log(f"stopped, with nothing to save; the same command goes on with {run}")
        return STATUS
    return 0 if finished else STATUS


def _train(run: pathlib.Path, config: RunConfig, stop: Stop) -> bool:
    """Trains; whether to the last step."""
    tokenizers = _prepare(run, config)
    data = _training_data(config, tokenizers)
    for line in data.report():
        log(line)

    model = config.model.build(len(tokenizers.target), len(tokenizers.source))
    training = assemble(config, model, tokenizers)
    checkpoints = Checkpoints(run, config.training.keep_last, config.training.keep_best)
    rows = data.shapes[0].rows // jax.process_count()
    state, step, position = _start(config, checkpoints, training, tokenizers, model, rows)
    batches = data.batches(position)
    writer = MetricsWriter(run) if parallel.is_main() else None
    try:
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
            stop,
            SkippedText(run, tokenizers),
        )
    except Unsound:
        checkpoints.close()  # the one that is named is to be whole
        raise
    batches.close()
    if over:
        if step < config.training.steps:
            log(f"stopped early at step {step}: {config.training.patience} evaluations brought nothing better")
        if not (config.translates or config.is_language_model):
            best = checkpoints.best()[1]
            state, _ = go_on_from(best, checkpoints, state)
            report_loss(run, best, state.best_params, config, tokenizers, data.shapes, training.objective)
    else:
        log(f"stopped and saved at step {step} of {config.training.steps}; the same command goes on from there")
    checkpoints.close()
    if writer is not None:
        writer.close()
        if over and config.translates:
            show_translations(run, config)
        elif over and config.is_language_model:
            show_text(run, config)
    return over


def _searching_as_tuned(config: RunConfig, run: pathlib.Path) -> RunConfig:
    """The config with the search that mt tune has found for the run, unless another is asked for than was then."""
    if not (run / trained.CONFIG).is_file():
        return config
    described = trained.read_config(run)
    before = described.get("search_before_tuning")
    if before is None or to_json(config.search) != before:
        return config
    search: SearchConfig = from_json(SearchConfig, described["run"]["search"], str(run / trained.CONFIG))
    log("search: as mt tune has found it")
    return dataclasses.replace(config, search=search)


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
            described = run_config.describe(config, before["tokenizer_sha256"])
            if config.search == from_json(SearchConfig, before["run"]["search"], str(run / trained.CONFIG)):
                described |= {name: before[name] for name in ["search_before_tuning"] if name in before}
            write_json(run / trained.CONFIG, described)
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
    sizes = [sum(1 for _ in read_pairs(corpus, "train", data.of_lines)) for corpus in corpora]
    if not any(sizes):
        raise UserError(f"data.train: {', '.join(data.train)} is empty; there is nothing to train on")
    if next(read_pairs(dev, "dev", data.of_lines), None) is None:
        raise UserError(f"data.dev: {dev} is empty; name another corpus")
    shares = [weight / max(weights) for weight in weights]
    lines_read = (1 + data.translates) * sum(size * share for size, share in zip(sizes, shares))
    shares = [share * min(1.0, config.training_lines / lines_read) for share in shares]
    chosen = sum(math.ceil(size * share) for size, share in zip(sizes, shares))
    unit = "pairs" if data.translates else "lines"
    log(f"learning a vocabulary of {config.vocab_size:,} pieces from {chosen:,} of {sum(sizes):,} {unit}")
    lines = (
        text
        for corpus, share in zip(corpora, shares)
        for number, pair in enumerate(read_pairs(corpus, "train", data.of_lines))
        if math.ceil((number + 1) * share) > math.ceil(number * share)  # spread evenly, the first among them
        for text in (pair if data.translates else pair[1:])
        if text.strip()
    )
    tokenizer = Tokenizer.train(lines, config)
    if len(tokenizer) != config.vocab_size:
        log(f"the text has enough for {len(tokenizer):,} pieces only")
    return tokenizer


def _training_data(config: RunConfig, tokenizers: Tokenizers) -> TrainingData:
    """The first host tokenises; the others then find it done, where they share its cache."""
    share = jax.process_count(), jax.process_index()
    aligned = config.training.aligned
    data = TrainingData(config.data, tokenizers, config.seed, *share, aligned) if parallel.is_main() else None
    parallel.wait_for_all("data tokenised")
    return data or TrainingData(config.data, tokenizers, config.seed, *share, aligned)


def _start(
    config: RunConfig, checkpoints: Checkpoints, training: Training, tokenizers: Tokenizers, model: Any, rows: int
) -> tuple[TrainState, int, Position]:
    """The state to begin with, of this host's rows: of the newest checkpoint, or a new one."""
    carry = parallel.shard(jax.device_get(initial_carry(training.objective, rows)))
    shapes = jax.eval_shape(training.initial_state)._replace(carry=carry)
    log(f"model: {sum(leaf.size for leaf in jax.tree.leaves(shapes.params)):,} parameters")
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
            log(f"the checkpoint of step {each} is damaged: it is in {aside} now, and one before it is taken")
        log(f"going on from step {step}")
        return begun[0], step, begun[1]
    if damaged:
        raise next(iter(damaged.values()))
    params = None
    if folder := start(config):
        found = trained.load(folder)
        params = starting_params(found, tokenizers, model, config.seed)
        log(f"starting from {found.name}")
    elif begun_from := parts(config):
        params = params_of_parts(config, model)
        log("starting from " + " and ".join(f"the {side} of {folder}" for side, folder in begun_from.items()))
    state = parallel.replicate(jax.jit(training.initial_state)(params))
    return state._replace(carry=carry), 0, Position()
