"""Whole trainings in this process, over four fake devices."""

import json
import os
import signal

import jax
import numpy as np
import orbax.checkpoint as ocp
import pytest

from mt import checkpoint, cli, parallel
from mt.data.batching import BatchingConfig
from mt.data.pipeline import DataConfig, Position, TrainingData
from mt.training.loop import Stop
from mt.training.objectives import TranslationObjective
from mt.training.optimizer import OptimizerConfig, build
from mt.training.train_step import initial_state, make_train_step
from tests.conftest import random_params, tiny_config
from tests.test_cli import tiny_run_arguments


def test_stopped_and_resumed_is_never_stopped(corpus_folder, tmp_path, monkeypatch, capfd):
    # With all that adds to what going on takes.
    more = ["--training.average-decay", "0.9", "--data.sampling.source", "0.3", "--training.consistency", "1"]
    arguments = [*tiny_run_arguments(corpus_folder, steps=9), *more]
    assert cli.main([*arguments, "--workdir", str(tmp_path / "whole")]) == 0

    batches = TrainingData.batches

    def preempted(self, position):
        for number, batch in enumerate(batches(self, position)):
            if number == 4:
                os.kill(os.getpid(), signal.SIGTERM)
            yield batch

    monkeypatch.setattr(TrainingData, "batches", preempted)
    assert cli.main([*arguments, "--workdir", str(tmp_path / "stopped")]) == 75
    assert "stopped and saved at step 5 of 9" in capfd.readouterr().err
    assert checkpoint.steps(tmp_path / "stopped")[-1] == 5
    monkeypatch.setattr(TrainingData, "batches", batches)
    assert cli.main([*arguments, "--workdir", str(tmp_path / "stopped")]) == 0
    assert "going on from step 5" in capfd.readouterr().err

    for name in ("params", "optimizer_state"):
        one, other = (saved_arrays(tmp_path / run, 9, name) for run in ("whole", "stopped"))
        assert len(one) == len(other) > 10
        for path, array in one.items():
            np.testing.assert_array_equal(array, other[path], err_msg=path)
    logged = [json.loads(line) for line in (tmp_path / "stopped" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in logged if "dev/bleu" in line] == [3, 6, 9]
    assert any((tmp_path / "whole" / "tensorboard").iterdir())


def test_out_of_patience_training_ends_and_has_ended(corpus_folder, tmp_path, capfd):
    # No step changes anything, so that nothing is ever better than the first.
    frozen = ["--optimizer.learning-rate", "1e-30", "--training.patience", "2", "--training.best-by", "loss"]
    arguments = [*tiny_run_arguments(corpus_folder, steps=30), *frozen, "--workdir", str(tmp_path / "run")]
    for _ in range(2):
        assert cli.main(arguments) == 0
        assert "stopped early at step 9: 2 evaluations brought nothing better" in capfd.readouterr().err
        assert 3 in checkpoint.steps(tmp_path / "run")
        assert checkpoint.choose(tmp_path / "run", "last") == 9


def saved_arrays(run, step, name):
    """What a checkpoint holds under a name, by path, on however many devices and hosts it was saved."""
    path = run / "checkpoints" / str(step) / name
    with ocp.PyTreeCheckpointer() as checkpointer:
        tree = checkpointer.metadata(path).item_metadata.tree
        as_numpy = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), tree)
        found = checkpointer.restore(path, args=ocp.args.PyTreeRestore(restore_args=as_numpy))
    return {jax.tree_util.keystr(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(found)}


def test_nothing_is_compiled_after_every_shape_was_seen(corpus_folder, tokenizers):
    batching = BatchingConfig("buckets", batch_tokens=512, row_length=64, num_buckets=3, row_multiple=4)
    data = TrainingData(DataConfig(train=(str(corpus_folder),), batching=batching), tokenizers, seed=1)
    model = tiny_config(num_layers=1).build(len(tokenizers.target))
    optimizer = build(OptimizerConfig(), 100)
    state = parallel.replicate(initial_state(random_params(model), optimizer))
    step = parallel.data_parallel(make_train_step(TranslationObjective(model), optimizer, 0), donate_state=True)
    compiled = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda event, seconds, **rest: compiled.append(event) if "backend_compile" in event else None
    )
    seen, before = set(), None
    for position, batch in data.batches(Position()):
        new = batch["target_tokens"].shape not in seen
        seen.add(batch["target_tokens"].shape)
        before = len(compiled)
        state, _ = jax.block_until_ready(step(state, parallel.shard(batch)))
        assert (len(compiled) > before) == new, batch["target_tokens"].shape
        if position.epoch == 2:
            break
    assert seen == {(shape.rows, shape.target_length) for shape in data.shapes} and len(seen) == 3


def test_the_first_signal_asks_and_the_second_insists():
    before = signal.getsignal(signal.SIGINT)
    with Stop() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.asked
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before
