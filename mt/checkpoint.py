"""Checkpoints of a run, by orbax: saved in the background, the last few and the best kept, restored exactly."""

import contextlib
import errno
import itertools
import logging
import math
import os
import pathlib
import re
import shutil
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import numpy as np
import orbax.checkpoint as ocp
from orbax.checkpoint import checkpoint_managers

from mt import parallel
from mt.checksums import crc32, crc32_of_row
from mt.errors import UserError
from mt.files import parse_json, write_json

FOLDER = "checkpoints"
PARAMS = "params"
_CARRY = "carry"
_CRC32 = "crc32"


_PASSING = (errno.EMFILE, errno.ENFILE, errno.ESTALE, errno.EINTR)
_UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO)


def _is_news(record: logging.LogRecord) -> bool:
    """Not that a checkpoint has no metrics, as one that is saved because training was stopped, nor an exception's
    traceback: it is raised too."""
    return "tracked_metric" not in record.getMessage() and not record.exc_info


logging.getLogger("absl").addFilter(_is_news)


class Damaged(UserError):
    """A checkpoint that cannot be read, or is not what was saved."""


class Saved(NamedTuple):
    """A training run at a step.

    Attributes:
        params: tree of arrays, to translate with.
        optimizer_state: tree of arrays: all else that going on takes.
        position: of the data, a JSON value.
        carry: what is remembered of the batches before, a tree of arrays [local devices, rows, ...], if anything is.
    """

    params: Any
    optimizer_state: Any
    position: Any
    carry: Any = ()


class Checkpoints:
    """The checkpoints of one run folder."""

    def __init__(self, run: pathlib.Path, keep_last: int = 1, keep_best: int = 1):
        """Args:
        run: the run's folder.
        keep_last: how many of the newest to keep, beside the best.
        keep_best: how many of the best to keep.
        """
        self._run = run
        if parallel.is_main():
            _drop_damaged_metrics(run)
        parallel.wait_for_all("metrics of checkpoints read")
        policies = checkpoint_managers.preservation_policy
        self.folder = run.resolve() / FOLDER
        self._manager = ocp.CheckpointManager(
            self.folder,
            options=ocp.CheckpointManagerOptions(
                preservation_policy=policies.AnyPreservationPolicy(
                    [
                        policies.LatestN(keep_last),
                        policies.BestN(get_metric_fn=_score, n=keep_best, keep_checkpoints_without_metrics=False),
                    ]
                ),
                best_fn=_score,  # without it, metrics are not written
                create=True,
            ),
            item_names=("params", "optimizer_state", "position", _CARRY, _CRC32),
        )

    def save(self, step: int, saved: Saved, metrics: dict[str, float] | None) -> None:
        """Begins to save; training may go on at once. `metrics` are of the dev set, if it was evaluated just now: the
        best has the highest "score"."""
        sums = {name: crc32(getattr(saved, name)) for name in saved._fields if name != _CARRY}
        carry = {}
        if jax.tree.leaves(saved.carry):
            sums[_CARRY] = _sums_of_rows(parallel.local_rows(saved.carry))
            carry[_CARRY] = ocp.args.StandardSave(parallel.rows_to_global(saved.carry))
        with _writable(self.folder):
            self._manager.save(
                step,
                args=ocp.args.Composite(
                    params=ocp.args.StandardSave(parallel.to_global(saved.params)),
                    optimizer_state=ocp.args.StandardSave(parallel.to_global(saved.optimizer_state)),
                    position=ocp.args.JsonSave(saved.position),
                    crc32=ocp.args.JsonSave(sums),
                    **carry,
                ),
                metrics=metrics,
                force=True,
            )

    def wait(self) -> None:
        """Until all that was begun is on disk."""
        with _writable(self.folder):
            self._manager.wait_until_finished()

    def steps(self) -> list[int]:
        """Those of the checkpoints that there are, newest first."""
        return sorted(self._manager.all_steps(), reverse=True)

    def latest(self) -> int | None:
        """The newest step, if there is any."""
        return self._manager.latest_step()

    def newest_evaluated(self) -> int | None:
        """The newest step whose metrics of the dev set are numbers, if there is any."""
        return max(ranked(self._run), default=None)

    def best(self) -> tuple[float, int]:
        """The highest score of a checkpoint, and the first step that had it; step 0 if none was evaluated."""
        scores = [(score_of(self._run, step), step) for step in ranked(self._run)]
        return max(scores, key=lambda each: (each[0], -each[1]), default=(-math.inf, 0))

    def is_evaluated(self, step: int) -> bool:
        """Whether a checkpoint has metrics of the dev set."""
        return score_of(self._run, step) > -math.inf

    def add_metrics(self, step: int, metrics: dict[str, float]) -> None:
        """Gives metrics to a checkpoint that was saved without. All hosts do so together."""
        if parallel.is_main():
            write_json(_metrics(self._run, step), metrics)
        parallel.wait_for_all("metrics added")
        self._manager.reload()

    def restore(self, step: int, like: Saved) -> Saved:
        """All of a checkpoint, with the shapes and dtypes of `like`, replicated over the local devices.

        Raises:
            Damaged: it is.
        """
        carry = {}
        if jax.tree.leaves(like.carry):
            carry[_CARRY] = ocp.args.StandardRestore(parallel.abstract_rows(like.carry))
        args = ocp.args.Composite(
            params=ocp.args.StandardRestore(_abstract(like.params)),
            optimizer_state=ocp.args.StandardRestore(_abstract(like.optimizer_state)),
            position=ocp.args.JsonRestore(),
            **carry,
        )
        with _readable(self.folder / str(step)):
            found = self._manager.restore(step, args=args)
        local = {name: parallel.on_one_device(found[name]) for name in ("params", "optimizer_state")}
        for name, tree in {**local, "position": found["position"]}.items():
            _check(self.folder / str(step), name, tree)
        params, optimizer_state = map(parallel.replicate, local.values())
        remembered: Any = ()
        if carry:
            remembered = parallel.rows_from_global(found[_CARRY])
            _compare(self.folder / str(step), _CARRY, _sums_of_rows(remembered))
        return Saved(params, optimizer_state, found["position"], remembered)

    def set_aside(self, step: int) -> pathlib.Path:
        """Takes a damaged checkpoint out of the way of those to come; where it is then. All hosts do so together."""
        taken = {path.name for path in self.folder.parent.iterdir()}
        names = (f"damaged-{step}" + (f".{number}" if number else "") for number in itertools.count())
        aside = self.folder.parent / next(name for name in names if name not in taken)
        parallel.wait_for_all("name for a damaged checkpoint found")
        if parallel.is_main():
            (self.folder / str(step)).rename(aside)
        parallel.wait_for_all("damaged checkpoint set aside")
        self._manager.reload()
        return aside

    def close(self) -> None:
        """Waits for what was begun, and lets go of the folder."""
        with _writable(self.folder):
            self._manager.close()


def steps(run: pathlib.Path) -> list[int]:
    """The steps of a run's finished checkpoints, oldest first."""
    folder = run / FOLDER
    found = (path.name for path in folder.iterdir()) if folder.is_dir() else ()
    return sorted(int(name) for name in found if name.isdecimal())


def choose(run: pathlib.Path, which: str) -> int:
    """The step of a checkpoint.

    Args:
        run: the run's folder.
        which: "best" on the dev set (the last, if none was evaluated), "last", or a step.

    Raises:
        UserError: there is no such checkpoint.
    """
    available = steps(run)
    if not available:
        raise UserError(f"{run}: no checkpoint yet; train it with mt train, or name another run")
    if which == "last":
        return available[-1]
    if which == "best":
        return max(available, key=lambda step: (score_of(run, step), step))
    if not which.isdecimal() or int(which) not in available:
        raise UserError(
            f"--checkpoint {which}: {run} has no such checkpoint; take best, last or one of "
            f"{', '.join(map(str, available))}"
        )
    return int(which)


def ranked(run: pathlib.Path) -> list[int]:
    """The steps of the checkpoints that were evaluated, best first."""
    scores = {step: score_of(run, step) for step in steps(run)}
    evaluated = [step for step, score in scores.items() if score > -math.inf]
    return sorted(evaluated, key=lambda step: (scores[step], step), reverse=True)


def _score(metrics: dict[str, float]) -> float:
    score = float(metrics["score"] if "score" in metrics else metrics["bleu"])
    return -math.inf if math.isnan(score) else score  # no number compares with a NaN


def _drop_damaged_metrics(run: pathlib.Path) -> None:
    """What cannot be read of how good a checkpoint was is removed: it counts as one that was not evaluated."""
    for step in steps(run):
        try:
            score_of(run, step)
        except Damaged:
            print(f"{run / FOLDER / str(step)}: its metrics are damaged, and left out", file=sys.stderr)
            shutil.rmtree(run / FOLDER / str(step) / "metrics")


def score_of(run: pathlib.Path, step: int) -> float:
    """How good a checkpoint was on the dev set: the higher, the better; minus infinity if it was not evaluated."""
    path = _metrics(run, step)
    if not path.is_file():
        return -math.inf
    with _readable(run / FOLDER / str(step)):
        return _score(parse_json(path.read_text()))


def _metrics(run: pathlib.Path, step: int) -> pathlib.Path:
    return run / FOLDER / str(step) / "metrics" / "metrics"


def restore_params(run: pathlib.Path, step: int, like: Any) -> Any:
    """The parameters alone, on the first local device.

    Raises:
        Damaged: they are.
    """
    folder = run / FOLDER / str(step)
    params = read_tree(folder / PARAMS, like, folder)
    _check(folder, PARAMS, params)
    return params


def _check(folder: pathlib.Path, name: str, tree: Any) -> None:
    """Raises Damaged where a part of a checkpoint is not what was saved."""
    _compare(folder, name, crc32(tree))


def _sums_of_rows(tree: Any) -> dict[str, int]:
    """Of arrays [local devices, rows, ...], sums that all hosts know and that do not depend on how rows are spread."""
    found = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        rows = np.asarray(leaf).reshape(-1, *leaf.shape[2:])
        first = jax.process_index() * len(rows)
        found[jax.tree_util.keystr(path)] = sum(crc32_of_row(row, first + n) for n, row in enumerate(rows))
    return parallel.sum_over_hosts(found)


def _compare(folder: pathlib.Path, name: str, found: dict[str, int]) -> None:
    path = folder / _CRC32 / "metadata"
    if not path.is_file():
        return  # of an earlier version, or imported
    with _readable(folder):
        expected = parse_json(path.read_text())
        different = [part for part, value in found.items() if expected[name].get(part) != value]
        if different:
            raise ValueError(f"{name}{different[0]}")


def save_params(run: pathlib.Path, step: int, params: Any) -> None:
    """A checkpoint of parameters alone, which can be used but not trained on from."""
    write_tree(run / FOLDER / str(step) / PARAMS, params)


def can_go_on(run: pathlib.Path, step: int) -> bool:
    """Whether a checkpoint holds more than parameters."""
    return (run / FOLDER / str(step) / "optimizer_state").is_dir()


def write_tree(folder: pathlib.Path, tree: Any) -> None:
    """Arrays of this host's, into a folder that does not exist yet."""
    with _alone() as checkpointer:
        checkpointer.save(folder.resolve(), tree)
    for note in folder.rglob("commit_success.txt"):
        note.write_text("Checkpoint commit was successful\n")  # it told where on this machine the folder lay


def read_tree(folder: pathlib.Path, like: Any, blamed: pathlib.Path | None = None) -> Any:
    """What `write_tree` was given, on the first local device.

    Args:
        folder: its.
        like: its shapes and dtypes.
        blamed: what an error names in place of the folder.

    Raises:
        UserError: it is damaged, or of other shapes.
    """
    sharding = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    target = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), like)
    with _readable(blamed or folder), _alone() as checkpointer:
        return checkpointer.restore(folder.resolve(), target)


def _alone() -> ocp.StandardCheckpointer:
    """Of this host, even where several train together: not all of them need to read."""
    return ocp.StandardCheckpointer(
        multiprocessing_options=ocp.options.MultiprocessingOptions(
            primary_host=jax.process_index(),
            active_processes={jax.process_index()},
            barrier_sync_key_prefix=f"host{jax.process_index()}",
        )
    )


@contextlib.contextmanager
def _writable(folder: pathlib.Path) -> Iterator[None]:
    """What keeps a checkpoint from being written is one sentence, and what was written of it is removed."""
    try:
        yield
    except Exception as error:
        reason = re.search("|".join(map(os.strerror, _UNWRITABLE)), str(error))
        if reason is None:
            raise
        for half in folder.glob("*.orbax-checkpoint-tmp") if parallel.is_main() else ():
            shutil.rmtree(half, ignore_errors=True)
        raise UserError(
            f"{folder}: cannot save ({reason[0]}); the checkpoints that are there are whole: mend the disk, and give "
            "the same command again to go on from the newest"
        ) from None


@contextlib.contextmanager
def _readable(folder: pathlib.Path) -> Iterator[None]:
    """Whatever orbax and the libraries below it make of damaged files is one sentence."""
    try:
        yield
    except Exception as error:
        # Neither too little memory, nor rights, nor another process that has died is the file's fault.
        passing = isinstance(error, (MemoryError, PermissionError)) or "RESOURCE_EXHAUSTED" in str(error)
        if passing or getattr(error, "errno", None) in _PASSING or parallel.tells_of_a_death(error):
            raise
        raise Damaged(
            f"{folder}: damaged, or of another model than the run's config.json says ({type(error).__name__}); remove "
            "that folder to use the checkpoint before it, or put back its files"
        ) from None


def _abstract(tree: Any) -> Any:
    sharding = parallel.global_sharding()
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), tree)
