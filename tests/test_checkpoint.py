"""Which checkpoints are kept, and which of them is the best."""

import subprocess

import jax
import jax.numpy as jnp
import pytest

from mt import checkpoint
from mt.checkpoint import Checkpoints, Saved
from mt.errors import UserError


def _save(run, scores, first=1, **options):
    """A checkpoint for each score, "bleu" where it has none of its own."""
    checkpoints = Checkpoints(run, **options)
    for step, score in enumerate(scores, first):
        metrics = None if score is None else {"bleu": -score, "loss": 1.0, "score": score}
        checkpoints.save(step, Saved({"w": jnp.full(3, float(step))}, {"m": jnp.zeros(2)}, [0, 0, step]), metrics)
        checkpoints.wait()
    found = checkpoints.best()
    checkpoints.close()
    return found


def test_the_best_are_kept_beside_the_last_and_known_after_a_restart(tmp_path):
    assert _save(tmp_path, [3.0, 9.0, 1.0, 2.0, 2.5], keep_last=2, keep_best=2) == (9.0, 2)
    assert checkpoint.steps(tmp_path) == [1, 2, 4, 5]
    assert checkpoint.ranked(tmp_path) == [2, 1, 5, 4]
    assert checkpoint.choose(tmp_path, "best") == 2 and checkpoint.choose(tmp_path, "last") == 5
    # Another process, which goes on worse and is stopped before an evaluation.
    assert _save(tmp_path, [0.5, 0.4, None], first=6, keep_last=2, keep_best=2) == (9.0, 2)
    assert checkpoint.steps(tmp_path) == [1, 2, 7, 8]
    assert checkpoint.choose(tmp_path, "best") == 2
    assert checkpoint.restore_params(tmp_path, 2, {"w": jnp.zeros(3)})["w"].tolist() == [2, 2, 2]


def test_a_full_disk_is_a_sentence_and_leaves_what_was_saved(tmp_path, capfd):
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(tmp_path)], capture_output=True
    ).returncode:
        pytest.skip("a small disk cannot be mounted here")
    try:
        checkpoints = Checkpoints(tmp_path, keep_last=9)
        weights = jax.random.normal(jax.random.key(0), (300_000,))  # not to be compressed
        with pytest.raises(UserError, match="checkpoints: cannot save .No space left on device.; the checkpoints"):
            for step in range(1, 9):
                checkpoints.save(step, Saved({"w": weights + step}, {"m": weights}, [0, 0, step]), None)
                checkpoints.wait()
        there = checkpoint.steps(tmp_path)
        assert there == list(range(1, step)) and len(there) >= 1
        assert {path.name for path in (tmp_path / "checkpoints").iterdir()} == set(map(str, there))
        for step in there:
            found = checkpoint.restore_params(tmp_path, step, {"w": weights})["w"]
            assert jnp.array_equal(found, weights + step)
        assert "Traceback" not in capfd.readouterr().err
    finally:
        subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


@pytest.mark.parametrize("scores", [[None, None], [float("nan"), 1.0, float("nan")]])
def test_where_nothing_can_be_compared(tmp_path, scores):
    _save(tmp_path, scores, keep_last=3)
    assert checkpoint.choose(tmp_path, "best") == 2
