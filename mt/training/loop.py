"""The training loop: handed its parts, it only calls them in turn."""

import collections
import dataclasses
import math
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, Literal, Protocol

import jax
import jax.numpy as jnp
from tqdm import tqdm

from mt import parallel
from mt.checkpoint import Checkpoints, Saved
from mt.data.pipeline import Position
from mt.errors import UserError
from mt.training.soundness import Watch
from mt.training.stopping import Stop, Stopped
from mt.training.train_step import TrainState

# Steps given to the device ahead of the one whose result is awaited: it never idles, and never lags far behind.
_IN_FLIGHT = 2


@dataclasses.dataclass(frozen=True)
class TrainingConfig:
    """How long to train, and what to do on the way.

    Attributes:
        steps: updates of the parameters.
        label_smoothing: share of the target's probability spread evenly over the vocabulary.
        consistency: R-Drop's alpha (Liang et al. 2021): every batch is seen with two sets of dropout's random bits, and
            the two distributions are drawn together. A step takes twice the time; 0 is without.
        guided_alignment: weight of a second loss, which has the mean head of the decoder's last layer but one look at
            the source tokens that target tokens come from, as far as counting in the training data tells (Garg et al.
            2019); say 0.05; 0 is without. What `mt align` says, and where documents' markup goes, depends on it.
        loss_chunk: positions whose logits over the vocabulary are there at once, for batches of few but long rows; 0 is
            all of a batch.
        average_decay: share of the parameters' exponential moving average that a step keeps, say 0.999. The average is
            what is evaluated, kept and translated with; 0 is without.
        accumulation_steps: parts that each device cuts its rows into and computes one after the other, for batches
            that do not fit its memory; the update is the same.
        log_every: steps between lines of metrics.
        evaluate_every: steps between evaluations on the dev set; each saves a checkpoint.
        dev_sentences: how many dev sentences are translated for BLEU; 0 is all of them.
        dev_search: "greedy" is quicker, "beam" is what `mt translate` does.
        best_by: what makes a checkpoint the best: the highest BLEU on the dev set, or the lowest loss, which is all
            that there is where nothing is translated.
        patience: evaluations without a better one after which training ends; 0 is never.
        most_skipped: updates in a row that may be skipped because the loss, its gradient or they themselves are not
            finite; one more ends training.
        spike_factor: where the loss' average over log_every steps is more than so many times the average before it,
            training goes back to its newest checkpoint, and on with the text that comes next; say 1.5; 0 is never. A
            training that is stopped between that and its next checkpoint meets the same text again.
        keep_last: checkpoints to keep, the newest, beside the best.
        keep_best: checkpoints to keep, the best.
    """

    steps: int = 100_000
    label_smoothing: float = 0.1
    consistency: float = 0.0
    guided_alignment: float = 0.0
    loss_chunk: int = 0
    average_decay: float = 0.0
    accumulation_steps: int = 1
    log_every: int = 50
    evaluate_every: int = 1000
    dev_sentences: int = 0
    dev_search: Literal["greedy", "beam"] = "greedy"
    best_by: Literal["bleu", "loss"] = "bleu"
    patience: int = 0
    most_skipped: int = 9
    spike_factor: float = 0.0
    keep_last: int = 3
    keep_best: int = 1

    @property
    def aligned(self) -> bool:
        """Whether batches must say which source token each target token comes from."""
        return self.guided_alignment > 0

    def __post_init__(self):
        for field in ("steps", "accumulation_steps", "log_every", "evaluate_every", "keep_last", "keep_best"):
            if getattr(self, field) < 1:
                raise UserError(f"training.{field}: {getattr(self, field)} is not positive")
        for field, zero in (
            ("dev_sentences", "all of them"),
            ("patience", "never"),
            ("consistency", "none"),
            ("guided_alignment", "none"),
            ("loss_chunk", "all of a batch"),
            ("most_skipped", "none"),
        ):
            if not 0 <= getattr(self, field) < math.inf:
                raise UserError(f"training.{field}: {getattr(self, field)} is not a number from 0 on; 0 is {zero}")
        if not (self.spike_factor == 0 or 1 < self.spike_factor < math.inf):
            raise UserError(f"training.spike_factor: {self.spike_factor} is not a number above 1; 0 is never")
        if not 0 <= self.average_decay < 1:
            raise UserError(f"training.average_decay: {self.average_decay} is not in [0, 1); 0 is no average")
        if not 0 <= self.label_smoothing < 1:
            raise UserError(f"training.label_smoothing: {self.label_smoothing} is not in [0, 1)")


class Writer(Protocol):
    """Where metrics go."""

    def write(self, step: int, metrics: dict[str, float]) -> None:
        """Adds named numbers at a step."""
        ...


def train(
    state: TrainState,
    step: int,
    position: Position,
    train_step: Callable[[TrainState, Any], tuple[TrainState, dict[str, jax.Array]]],
    batches: Iterator[tuple[Position, dict[str, Any]]],
    evaluate: Callable[[Any], dict[str, float]],
    learning_rate: Callable[[int], Any],
    checkpoints: Checkpoints,
    writer: Writer | None,
    config: TrainingConfig,
    stop: Stop,
    skipped: Callable[[int, Any], None],
) -> tuple[TrainState, int, bool]:
    """Trains from a step on to the last, or until it is asked to stop; what it leaves is saved.

    Args:
        state: at `step`.
        step: updates made already.
        position: of the data at `step`.
        train_step: pmapped.
        batches: sharded, each with the position after it.
        evaluate: of parameters, metrics of the dev set: "loss", and "bleu" where there are translations.
        learning_rate: of a step.
        checkpoints: of the run.
        writer: None on all hosts but the first.
        config: how long, how often.
        stop: entered; says when to end early.
        skipped: is told of a step and its sharded batch, if the update is skipped.

    Returns:
        The state, its step, and whether that is where training ends: at the last step, or out of patience.

    Raises:
        Unsound: too many updates are not finite, or the loss leaps again and again. What was begun to be saved may not
            be on disk yet.
    """
    # Steps given to the device: number, where the batch is from, the batch, and what came of it.
    pending: collections.deque = collections.deque()
    meter = _Meter(config, writer, learning_rate)
    watch = Watch(config.most_skipped, config.spike_factor, checkpoints.newest_evaluated())
    saved_at = step
    bar = tqdm(
        total=config.steps,
        initial=step,
        unit=" steps",
        dynamic_ncols=True,
        disable=writer is None,
        mininterval=0.5 if sys.stderr.isatty() else 10,
        file=sys.stderr,
    )

    def say(line: str) -> None:
        if line and writer is not None:
            bar.write(line, file=sys.stderr)

    def settle(left: int) -> bool:
        """Reads what the device has done but for so many steps; whether the loss has leapt up in one of them."""
        while len(pending) > left:
            number, batch_position, batch, metrics = pending.popleft()
            found = jax.device_get(metrics)
            stop.begin()
            if found["skipped"] > 0:
                skipped(number, batch)
            say(watch.step(number, batch_position, found["skipped"] > 0, checkpoints.latest()))
            average = meter.add(number, found)
            bar.set_postfix_str(meter.text, refresh=False)
            bar.update()
            if average is not None and watch.spiked(average):
                return True
        return False

    best = checkpoints.best()

    def ended() -> bool:
        without = (step - best[1]) // config.evaluate_every
        return step >= config.steps or 0 < config.patience <= without

    def to_be_evaluated() -> bool:
        return step % config.evaluate_every == 0 or step == config.steps

    def evaluated() -> dict[str, float] | None:
        """The dev set's metrics; None if training is to stop before it has them."""
        nonlocal best
        with meter.paused():
            try:
                # It takes minutes, which is longer than who asks may wait; but several hosts are in it together.
                with stop.interrupting(jax.process_count() == 1):
                    found = evaluate(state.best_params)
            except Stopped:
                if not stop.saves:
                    raise
                say(f"step {step}: the evaluation is put off")
                return None
        found["score"] = found["bleu"] if config.best_by == "bleu" else -found["loss"]
        meter.write(step, {f"dev/{name}": value for name, value in found.items()})
        bleu = f", BLEU {found['bleu']:.1f}" if "bleu" in found else ""
        say(f"step {step}: dev loss {found['loss']:.3f}{bleu}")
        if found["score"] > best[0]:
            best = found["score"], step
        return found

    over = False
    with bar:
        if step and to_be_evaluated() and not checkpoints.is_evaluated(step):
            found = evaluated()
            if found is not None:
                checkpoints.add_metrics(step, found)
        over = ended()
        while not over:
            if parallel.any_host(stop.asked) if step % config.log_every == 0 else _alone(stop):
                break
            batch_position = position
            position, batch = next(batches)
            state, metrics = train_step(state, batch)
            step += 1
            pending.append((step, batch_position, batch, metrics))
            if settle(0 if to_be_evaluated() else _IN_FLIGHT):
                say(watch.roll_back(step, newest := checkpoints.latest()))
                if newest is not None:
                    pending.clear()
                    meter.clear()
                    state, _ = go_on_from(newest, checkpoints, state)
                    step = bar.n = newest
                    continue
            if to_be_evaluated():
                settle(0)
                found = evaluated()
                if found is None:
                    break
                if not math.isfinite(found["loss"]):
                    say(f"step {step}: no checkpoint is kept, as the dev loss is not finite")
                else:
                    with meter.paused():
                        saved = Saved(state.best_params, state.rest, list(position), state.carry)
                        checkpoints.save(step, saved, found)
                saved_at = step
                over = ended()
        leapt = settle(0)
        if saved_at != step and not leapt:  # what is worth going back from is not worth keeping
            checkpoints.save(step, Saved(state.best_params, state.rest, list(position), state.carry), None)
        checkpoints.wait()
    stop.end()
    return state, step, over


def go_on_from(step: int, checkpoints: Checkpoints, like: TrainState) -> tuple[TrainState, Position]:
    """A checkpoint's state, replicated but for what is remembered, and its place in the data.

    Args:
        step: of the checkpoint.
        checkpoints: of the run.
        like: a state, or the shapes of one.
    """
    saved = checkpoints.restore(step, Saved(like.best_params, like.rest, None, like.carry))
    at = parallel.replicate(jnp.asarray(step, jnp.int32))
    return like.restored(at, saved.params, saved.optimizer_state, saved.carry), Position(*saved.position)


def _alone(stop: Stop) -> bool:
    """Between the steps at which hosts ask each other, only a run on a single host may stop."""
    return stop.asked and jax.process_count() == 1


class _Meter:
    """Adds up the metrics of steps, writes their averages, and knows the rate."""

    def __init__(self, config: TrainingConfig, writer: Writer | None, learning_rate: Callable[[int], Any]):
        self._config, self._writer, self._learning_rate = config, writer, jax.jit(learning_rate)
        self._sums: collections.Counter = collections.Counter()
        self._steps = 0
        self._clock = time.perf_counter()
        self._trained_seconds = 0.0
        self.text = ""  # a few words on the last average

    def add(self, step: int, metrics: dict[str, Any]) -> float | None:
        """Counts a step in; the loss' average where an average of steps ends with this one."""
        self._sums.update({name: float(value) for name, value in metrics.items()})
        self._steps += 1
        if step % self._config.log_every == 0 or step == self._config.steps:
            return self._average(step)
        return None

    def clear(self) -> None:
        """Forgets the steps since the last average."""
        self._sums.clear()
        self._steps = 0

    def _average(self, step: int) -> float | None:
        now = time.perf_counter()
        seconds, self._clock = now - self._clock, now
        self._trained_seconds += seconds
        sums, weight, steps = self._sums, self._sums["weight"], self._steps - self._sums["skipped"]
        if not steps:
            self.write(step, {"train/skipped_updates": sums["skipped"]})
            self.clear()
            return None
        rate = sums.get("tokens", weight) / seconds
        loss, nll = sums["loss"] / weight, sums["nll"] / weight
        self.write(
            step,
            {
                "train/loss": loss,
                "train/nll": nll,
                **({"train/alignment": sums["alignment"] / weight} if "alignment" in sums else {}),
                **({"train/next_sentence": sums["next_sentence"] / sums["pairs"]} if sums["pairs"] else {}),
                "train/perplexity": math.exp(min(nll, 100)),
                "train/gradient_norm": sums["gradient_norm"] / steps,
                "train/skipped_updates": sums["skipped"],
                "train/learning_rate": float(self._learning_rate(step - 1)),
                "train/target_tokens_per_second": rate,
                "train/seconds": self._trained_seconds,
            },
        )
        self.text = f"loss {loss:.3f}, {rate:,.0f} target tokens/s"
        self.clear()
        return loss

    def write(self, step: int, metrics: dict[str, float]) -> None:
        if self._writer is not None:
            self._writer.write(step, metrics)

    def paused(self) -> "_Pause":
        """A context whose time does not count."""
        return _Pause(self)

    def skip(self, seconds: float) -> None:
        self._clock += seconds


class _Pause:
    def __init__(self, meter: _Meter):
        self._meter = meter

    def __enter__(self):
        self._begin = time.perf_counter()

    def __exit__(self, *exception):
        self._meter.skip(time.perf_counter() - self._begin)
