"""Trainings that are killed again and again, and end as if they never had been.

    python -m tests.reliability.kill [--kills 20] [--devices 1] [--processes 1] [--steps 150] [--seed 0]

A small training over part of the shipped corpus is killed with SIGKILL at random moments, while it starts, trains and
saves, and started again each time with the same command. With --processes 2, one of the two is killed at random, and
the other must end by itself within a minute. In the end, the parameters and the optimizer's state must be, bit for bit,
those of a training that was never killed.
"""

import argparse
import os
import pathlib
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time

from mt import checkpoint
from tests.conftest import shipped_pairs
from tests.test_cli import tiny_run_arguments
from tests.trainings import check_same_arrays

WITHIN = 60.0  # seconds that are left to a process to notice that another has died
_STARTING = 12.0  # seconds


def start(arguments: list[str], devices: int, processes: int) -> list[subprocess.Popen]:
    """The processes of a training, each with its share of the devices."""
    words = [[sys.executable, "-m", "mt", *arguments]]
    if processes > 1:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            coordinator = f"127.0.0.1:{free.getsockname()[1]}"
        several = [*words[0], "--coordinator", coordinator, "--num-processes", str(processes), "--process-id"]
        words = [[*several, str(number)] for number in range(processes)]
    flags = f"--xla_force_host_platform_device_count={max(1, devices // processes)}"
    environment = os.environ | {"XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} {flags}"}
    return [
        subprocess.Popen(each, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for each in words
    ]


def end(processes: list[subprocess.Popen], timeout: float) -> list[str]:
    """Waits for all; what each has said on standard error.

    Raises:
        AssertionError: one goes on for longer than that.
    """
    said, until = [], time.monotonic() + timeout
    for process in processes:
        try:
            said.append(process.communicate(timeout=max(0.0, until - time.monotonic()))[1])
        except subprocess.TimeoutExpired:
            for each in processes:
                each.kill()
            words = process.communicate()[1]
            raise AssertionError(f"a process still waits after {timeout:.0f} seconds; it has said: {words}") from None
    return said


def kill_once(arguments: list[str], run: pathlib.Path, devices: int, processes: int, chance: random.Random) -> bool:
    """Starts a training, kills one of its processes, and waits for the others; whether it had ended before."""
    before = checkpoint.steps(run)[-1:]
    running = start(arguments, devices, processes)
    if chance.random() < 0.25:
        time.sleep(chance.uniform(0, _STARTING))
    else:  # once it has saved something new, so that it gets on
        while all(each.poll() is None for each in running) and checkpoint.steps(run)[-1:] == before:
            time.sleep(0.05)
        time.sleep(chance.uniform(0, 2))
    victim = chance.choice(running)
    if any(each.poll() is not None for each in running):
        said = end(running, 300)
        assert all(each.returncode == 0 for each in running), said
        return True
    victim.send_signal(signal.SIGKILL)
    for each, said in zip(running, end(running, WITHIN)):
        words = "another process of this training has died", "not all processes of this training are there"
        told = any(each in said for each in (*words, "another task died"))  # the last are JAX's own
        assert each is victim or told or each.returncode == 0, f"status {each.returncode}: {said[-2000:]}"
    return False


def make_corpus(folder: pathlib.Path) -> pathlib.Path:
    """600 pairs of the shipped corpus, and a few to evaluate on."""
    folder.mkdir(parents=True)
    for split in ("train", "dev", "test"):
        for language, lines in zip(("en", "fr"), zip(*shipped_pairs(split, 600 if split == "train" else 8))):
            (folder / f"{split}.{language}").write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return folder


def survives(
    folder: pathlib.Path, kills: int, devices: int = 1, processes: int = 1, steps: int = 150, seed: int = 0
) -> int:
    """Kills a training so often, and compares what becomes of it with one that was never killed.

    Returns:
        How often it was killed; fewer times, if it ended before.

    Raises:
        AssertionError: it ends otherwise.
    """
    chance = random.Random(seed)
    corpus = make_corpus(folder / "corpus")
    arguments = [*tiny_run_arguments(corpus, steps, 3), "--training.average-decay", "0.9"]
    whole, killed = folder / "whole", folder / "killed"
    done = start([*arguments, "--workdir", str(whole)], devices, processes)
    said = end(done, 900)
    assert all(each.returncode == 0 for each in done), said
    count = 0
    arguments += ["--workdir", str(killed)]
    while count < kills and not kill_once(arguments, killed, devices, processes, chance):
        count += 1
        print(
            f"killed {count} of {kills} times, at step {(checkpoint.steps(killed) or [0])[-1]} of {steps}", flush=True
        )
    last = start(arguments, devices, processes)
    said = end(last, 900)
    assert all(each.returncode == 0 for each in last), said
    check_same_arrays((whole, killed), steps, ("params", "optimizer_state"))
    return count


def main() -> None:
    """Says how many kills were survived."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for option, default in (("kills", 20), ("devices", 1), ("processes", 1), ("steps", 150), ("seed", 0)):
        parser.add_argument(f"--{option}", type=int, default=default)
    options = vars(parser.parse_args())
    with tempfile.TemporaryDirectory() as folder:
        count = survives(pathlib.Path(folder), **options)
    print(f"{count} kills, and the same parameters and optimizer's state, bit for bit")


if __name__ == "__main__":
    main()
