"""`mt average`: the mean of several checkpoints' parameters as a run of its own."""

import dataclasses
import pathlib
import sys

import jax
import numpy as np
import tyro

from mt import pretrained, trained
from mt.bundles import is_bundle
from mt.checkpoint import choose, ranked, save_params, steps
from mt.errors import UserError
from mt.files import atomic_folder, write_json


@dataclasses.dataclass(frozen=True)
class Arguments:
    """Averages the parameters of a run's last or best checkpoints (Vaswani et al. 2017, section 6.1: the last 5 of the
    base model, the last 20 of the big one). What comes out translates, is evaluated and exported as any run; how many
    checkpoints a training keeps is training.keep_last and training.keep_best.

    Attributes:
        run: the --workdir of a training.
        out: folder to make.
        last: how many of the newest checkpoints; left out, and --best too, is all that there are.
        best: how many of the best on the dev set, among those that are kept.
    """

    run: tyro.conf.Positional[pathlib.Path]
    out: tyro.conf.Positional[pathlib.Path]
    last: int = 0
    best: int = 0


def main(arguments: Arguments) -> None:
    """Runs the verb."""
    if arguments.out.exists():
        raise UserError(f"{arguments.out}: is there already; name a new folder")
    if is_bundle(pretrained.locate(arguments.run)):
        raise UserError(f"{arguments.run}: is a bundle, which holds one checkpoint alone; name the run that it is of")
    chosen = _choose(arguments)
    found = trained.load(arguments.run, str(chosen[0]))
    total = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), found.params)
    for step in chosen[1:]:
        params = trained.load(arguments.run, str(step)).params
        total = jax.tree.map(lambda one, other: one + np.asarray(other), total, params)
    mean = jax.tree.map(lambda sum, leaf: (sum / len(chosen)).astype(leaf.dtype), total, found.params)
    with atomic_folder(arguments.out.resolve()) as folder:
        found.tokenizers.save(folder)
        write_json(folder / trained.CONFIG, trained.read_config(arguments.run))
        save_params(folder, max(chosen), jax.device_put(mean))
    written = ", ".join(map(str, sorted(chosen)))
    what = (
        f"the mean of {arguments.run} at steps"
        if len(chosen) > 1
        else f"{arguments.run}, of which one is kept, at step"
    )
    print(f"{what} {written} in {arguments.out}", file=sys.stderr)


def _choose(arguments: Arguments) -> list[int]:
    for option in ("last", "best"):
        if getattr(arguments, option) < 0:
            raise UserError(f"--{option} {getattr(arguments, option)}: is negative")
    if arguments.last and arguments.best:
        raise UserError("--last and --best: give one of them")
    trained.read_config(arguments.run)
    choose(arguments.run, "last")  # says so where there is none at all
    available = ranked(arguments.run) if arguments.best else steps(arguments.run)[::-1]
    wanted = arguments.last or arguments.best or len(available)
    if len(available) < max(wanted, 1):
        what = "that were evaluated" if arguments.best else "kept"
        raise UserError(f"{arguments.run}: has {len(available)} checkpoints {what}, not {wanted}; ask for fewer")
    return available[:wanted]
