"""Whole trainings in this process, over four fake devices."""

import json
import math
import os
import signal
import subprocess
import sys
import time

import jax
import pytest

from mt import checkpoint, cli, parallel
from mt.commands.dev_set import dev_evaluation
from mt.data.batching import BatchingConfig
from mt.data.data_config import DataConfig
from mt.data.pipeline import Position, TrainingData
from mt.errors import UserError
from mt.training import stopping
from mt.training.objectives import TranslationObjective
from mt.training.optimizer import OptimizerConfig, build
from mt.training.soundness import Watch
from mt.training.stopping import Stop, Stopped
from mt.training.train_step import initial_state, make_train_step, train_on_devices
from tests.conftest import random_params, tiny_config
from tests.test_cli import tiny_run_arguments
from tests.trainings import check_same_arrays


def test_stopped_and_resumed_is_never_stopped(corpus_folder, tmp_path, monkeypatch, capfd):
    # With all that adds to what going on takes.
    more = ["--training.average-decay", "0.9", "--data.sampling.source", "0.3", "--training.consistency", "1"]
    more += ["--data.augmentation.joined", "0.2", "--data.augmentation.informal", "0.2"]
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

    check_same_arrays((tmp_path / "whole", tmp_path / "stopped"), 9, ("params", "optimizer_state"))
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


def test_what_is_not_finite_ends_training_in_the_end(corpus_folder, tmp_path, capfd):
    arguments = [*tiny_run_arguments(corpus_folder, steps=30), "--training.most-skipped", "2"]
    too_high = ["--optimizer.learning-rate", "1e30", "--optimizer.warmup-steps", "0"]
    assert cli.main([*arguments, *too_high, "--workdir", str(tmp_path / "run")]) == 2
    lines = capfd.readouterr().err.splitlines()
    skipped = [line.split("\t") for line in (tmp_path / "run" / "skipped.tsv").read_text().splitlines()]
    pairs = {(line[1], line[2]) for line in skipped}
    assert {line[0] for line in skipped} == {"1", "2", "3"} and len(pairs) > 10
    assert pairs <= set(zip(*((corpus_folder / f"train.{side}").read_text().splitlines() for side in ("en", "fr"))))
    what = "the loss, its gradient or the update is not finite on batch {} of window 0 of epoch 0"
    for step in (1, 2):
        assert f"step {step}: {what.format(step - 1)}; the update is skipped" in lines
    assert lines[-1].startswith(
        f"mt: error: step 3: {what.format(2)}, nor was it in the 2 before it; nothing sound is saved"
    )


def test_after_a_leap_of_the_loss_training_goes_back_and_on_with_other_text(
    corpus_folder, tmp_path, monkeypatch, capfd
):
    batches, spiked, seen, averages = TrainingData.batches, Watch.spiked, [], []

    def watched(self, position):
        for after, batch in batches(self, position):
            seen.append(after)
            yield after, batch

    def leaps_at_the_fifth(self, average):
        averages.append(average)
        return spiked(self, average * 10 if len(averages) == 5 else average)

    monkeypatch.setattr(TrainingData, "batches", watched)
    monkeypatch.setattr(Watch, "spiked", leaps_at_the_fifth)
    arguments = [*tiny_run_arguments(corpus_folder, steps=9), "--training.spike-factor", "2"]
    assert cli.main([*arguments, "--workdir", str(tmp_path / "run")]) == 0
    assert "the loss has leapt up; back to the checkpoint of step 3" in capfd.readouterr().err
    logged = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in logged if "train/loss" in line] == [1, 2, 3, 4, 5, 4, 5, 6, 7, 8, 9]
    assert len(set(seen)) == len(seen) >= 11  # no batch twice


def test_what_is_said_of_unsound_numbers():
    watch = Watch(most_skipped=1, spike_factor=1.5)
    assert watch.step(1, Position(), False, None) == ""
    assert "batch 7 of window 0 of epoch 2" in watch.step(2, Position(2, 0, 7), True, None)
    assert watch.step(3, Position(), False, 3) == "" and "skipped" in watch.step(4, Position(), True, 3)
    with pytest.raises(UserError, match="nor was it in the 1 before it; the checkpoint of step 3 is sound"):
        watch.step(5, Position(), True, 4)  # of what was saved after it nothing is known
    assert [watch.spiked(loss) for loss in (4.0, 5.9, 8.8, 2.0, 3.1, math.nan)] == [False] * 4 + [True, True]
    assert "no checkpoint to go back to" in watch.roll_back(9, None)
    for _ in range(3):
        assert "back to the checkpoint of step 6" in watch.roll_back(9, 6)
    with pytest.raises(UserError, match="leapt up once more, after 3 returns to the checkpoint of step 6"):
        watch.roll_back(9, 6)


def test_nothing_is_compiled_after_every_shape_was_seen(corpus_folder, tokenizers):
    batching = BatchingConfig("buckets", batch_tokens=512, row_length=64, num_buckets=3, row_multiple=4)
    data = TrainingData(DataConfig(train=(str(corpus_folder),), batching=batching), tokenizers, seed=1)
    model = tiny_config(num_layers=1).build(len(tokenizers.target))
    optimizer = build(OptimizerConfig(), 100)
    state = parallel.replicate(initial_state(random_params(model), optimizer))
    step = train_on_devices(make_train_step(TranslationObjective(model), optimizer, 0), donate_state=True)
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


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_with_nothing_to_save_a_training_leaves_at_once(corpus_folder, tmp_path, monkeypatch, capfd, number):
    def preempted(self, position):
        os.kill(os.getpid(), number)
        yield from ()

    monkeypatch.setattr(TrainingData, "batches", preempted)
    arguments = [*tiny_run_arguments(corpus_folder, steps=9), "--workdir", str(tmp_path / "run")]
    assert cli.main(arguments) == 75
    assert "stopped, with nothing to save; the same command goes on" in capfd.readouterr().err
    assert not checkpoint.steps(tmp_path / "run")


def test_while_a_library_is_at_work_the_process_ends_by_itself():
    program = (
        "import hashlib, os, signal, threading\n"
        "from mt.training import stopping\n"
        "stopping._WITHIN = 0.5\n"
        "with stopping.Stop():\n"
        "    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGTERM)).start()\n"
        # In C, where no signal's handler can run, for minutes.
        "    hashlib.pbkdf2_hmac('sha256', b'', b'', 10**9)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=50)
    assert done.returncode == 75 and "stopped, with nothing to save" in done.stderr


def test_an_evaluation_is_not_waited_for_and_made_up_for(corpus_folder, tmp_path, monkeypatch, capfd):
    arguments = tiny_run_arguments(corpus_folder, steps=6)
    assert cli.main([*arguments, "--workdir", str(tmp_path / "whole")]) == 0
    asked = []

    def preempted(*parts):
        evaluate = dev_evaluation(*parts)

        def evaluation(params):
            if not asked:
                asked.append(True)
                os.kill(os.getpid(), signal.SIGTERM)
            return evaluate(params)

        return evaluation

    monkeypatch.setattr("mt.commands.train.dev_evaluation", preempted)
    run = tmp_path / "stopped"
    assert cli.main([*arguments, "--workdir", str(run)]) == 75
    assert "step 3: the evaluation is put off" in capfd.readouterr().err
    assert checkpoint.steps(run) == [3] and not checkpoint.ranked(run)
    assert cli.main([*arguments, "--workdir", str(run)]) == 0
    assert sorted(checkpoint.ranked(run)) == [3, 6]
    losses = []
    for name in ("whole", "stopped"):
        lines = map(json.loads, (tmp_path / name / "metrics.jsonl").read_text().splitlines())
        losses.append({line["step"]: line["dev/loss"] for line in lines if "dev/loss" in line})
    assert losses[0] == losses[1] and set(losses[0]) == {3, 6}


def test_the_first_signal_asks_and_the_second_insists():
    before = signal.getsignal(signal.SIGINT)
    with Stop() as stop:
        stop.begin()
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.asked
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_what_swallows_a_stop_is_told_again_and_prints_nothing(monkeypatch):
    monkeypatch.setattr(stopping, "_AGAIN", 0.1)
    swallowed, printed = [], []
    monkeypatch.setattr(sys, "unraisablehook", lambda what: printed.append(what.exc_type))

    class Fails:
        def __del__(self):
            raise ValueError

    class Swallows:
        def __del__(self):
            try:
                os.kill(os.getpid(), signal.SIGTERM)
                for _ in range(1000):
                    time.sleep(0.001)
            finally:
                swallowed.append(True)

    with Stop(), pytest.raises(Stopped):
        Fails()
        Swallows()
        assert swallowed
        for _ in range(100):
            time.sleep(0.1)
    assert printed == [ValueError]  # others' errors are still said
