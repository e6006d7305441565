"""Trainings of what configs/ has, so small that they take seconds, and whether two of them are one."""

import pathlib
import shutil
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from mt import cli
from tests.conftest import ROOT

SMALL = {"model.num-layers": 1, "model.model-dim": 16, "model.ff-dim": 32, "model.num-heads": 2}
SMALL |= {"data.batching.batch-tokens": 512, "training.log-every": 1}
# Of models that remember, and as many steps as are compared.
REMEMBERING = {"model.memory-length": 40, "data.batching.row-length": 64, "tokenizer.vocab-size": 400}
REMEMBERING |= {"training.steps": 6, "training.evaluate-every": 3}


def options_of(fields: Mapping[str, Any]) -> list[str]:
    """Fields of a config as options."""
    return [word for name, value in fields.items() for word in (f"--{name}", str(value))]


def train_config(config: str, run: pathlib.Path, fields: Mapping[str, Any], *options: str) -> int:
    """`mt train` with a config, fields of it, and further options; its exit status."""
    path = str(ROOT / "configs" / config)
    return cli.main(["train", path, "--workdir", str(run), *options_of(fields), *options])


def saved_arrays(run: pathlib.Path, step: int, name: str) -> dict[str, np.ndarray]:
    """What a checkpoint holds under a name, by path, on however many devices and hosts it was saved."""
    path = run / "checkpoints" / str(step) / name
    with ocp.PyTreeCheckpointer() as checkpointer:
        tree = checkpointer.metadata(path).item_metadata.tree
        as_numpy = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), tree)
        found = checkpointer.restore(path, args=ocp.args.PyTreeRestore(restore_args=as_numpy))
    return {jax.tree_util.keystr(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(found)}


def check_same_arrays(
    runs: tuple[pathlib.Path, pathlib.Path], step: int, names: Iterable[str], tolerance: float = 0.0, least: int = 11
) -> None:
    """That two runs' checkpoints of a step hold the same under each of the names, and so many arrays at least."""
    for name in names:
        one, other = (saved_arrays(run, step, name) for run in runs)
        assert one.keys() == other.keys() and len(one) >= least
        for path, array in one.items():
            np.testing.assert_allclose(array, other[path], rtol=0, atol=tolerance, err_msg=path)


def check_gone_on_with_exactly(
    run: pathlib.Path, train: Callable[[pathlib.Path], int], names: Iterable[str], step: int = 6
) -> None:
    """That a run whose last checkpoint is taken away, as if it had been killed before, comes to the same again."""
    stopped = run.with_name("stopped")
    shutil.copytree(run, stopped)
    shutil.rmtree(stopped / "checkpoints" / str(step))
    assert train(stopped) == 0
    check_same_arrays((run, stopped), step, names, least=1)  # a memory is few
