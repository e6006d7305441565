"""Two processes of two devices train as one process of four."""

import os
import socket
import subprocess
import sys

import pytest

from tests.test_cli import tiny_run_arguments
from tests.trainings import check_same_arrays

pytestmark = pytest.mark.thorough


def _start(arguments, devices):
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={devices}"
    environment = os.environ | {"XLA_FLAGS": flags}
    command = [sys.executable, "-m", "mt", *arguments]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_two_processes_train_as_one(corpus_folder, tmp_path):
    arguments = tiny_run_arguments(corpus_folder, steps=4, evaluate_every=2)
    # Some gradients are zero but for rounding (a bias of the keys moves no softmax): with Adam's usual epsilon, their
    # updates would be of full size, and of random sign.
    arguments += ["--optimizer.warmup-steps", "1", "--optimizer.epsilon", "1e-2"]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        coordinator = f"127.0.0.1:{free.getsockname()[1]}"
    together = [
        *arguments,
        *("--workdir", str(tmp_path / "two"), "--coordinator", coordinator, "--num-processes", "2", "--process-id"),
    ]
    processes = [_start([*together, str(number)], 2) for number in range(2)]
    alone = _start([*arguments, "--workdir", str(tmp_path / "one")], 4)
    outputs = [process.communicate(timeout=300) for process in (*processes, alone)]
    assert [process.returncode for process in (*processes, alone)] == [0, 0, 0], outputs
    assert "4 x cpu on 2 hosts" in outputs[0][1] and "BLEU" in outputs[0][0]
    assert "BLEU" not in "".join(outputs[1])  # only the first reports

    for step in (2, 4):
        # The same rows on the same devices: only the order of the sums between them may differ.
        check_same_arrays((tmp_path / "one", tmp_path / "two"), step, ["params"], tolerance=1e-5)


@pytest.mark.parametrize("number", ["0", "1"])
def test_a_process_that_waits_for_another_in_vain_says_so(corpus_folder, tmp_path, number):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        coordinator = f"127.0.0.1:{free.getsockname()[1]}"
    together = "--coordinator", coordinator, "--num-processes", "2", "--process-id", number, "--join-seconds", "3"
    process = _start([*tiny_run_arguments(corpus_folder, 4, 2), "--workdir", str(tmp_path / "run"), *together], 1)
    said = process.communicate(timeout=300)[1]
    assert process.returncode == 75 and "after 3 seconds, not all processes" in said and "Traceback" not in said
    assert not (tmp_path / "run").exists()
