"""How long users wait before anything happens: whole processes, from the shell's point of view."""

import dataclasses
import pathlib
import subprocess
import sys
import tempfile
import time

from mt.benchmarks.timing import Measurement
from mt.config import RunConfig
from mt.data.tokenizers import SHARED, Tokenizers
from mt.errors import UserError
from mt.serialization import to_json
from mt.training.metrics_writer import METRICS

_SENTENCE = "A man in a blue shirt is standing on a ladder.\n"
_POLL = 0.02  # seconds
_CONFIG = """from mt.config import RunConfig
from mt.serialization import from_json

def get_config():
    return from_json(RunConfig, {!r}, __file__)
"""


def measure_translating(run: pathlib.Path, repeats: int) -> Measurement:
    """Seconds from the start of `mt translate` to its end with one sentence translated, compiled before."""
    values = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        _check(subprocess.run([*_MT, "translate", str(run)], input=_SENTENCE, capture_output=True, text=True))
        values.append(time.perf_counter() - start)
    return Measurement("to one sentence translated", "s", tuple(values[1:]))


def measure_first_step(config: RunConfig, tokenizers: Tokenizers, repeats: int) -> Measurement:
    """Seconds from the start of `mt train` to the end of its first update, the corpus tokenised and compiled before.

    Args:
        config: to train by.
        tokenizers: of the config, made once for all trainings.
        repeats: trainings that count, each in an empty folder.
    """
    values = []
    for _ in range(repeats + 1):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            tokenizing = config.tokenizer
            if not config.start_from:
                tokenizers.save(folder)
                tokenizing = dataclasses.replace(tokenizing, path=str(folder / SHARED))
            training = dataclasses.replace(config.training, log_every=1)
            changed = dataclasses.replace(config, tokenizer=tokenizing, training=training)
            (folder / "config.py").write_text(_CONFIG.format(to_json(changed)))
            command = [*_MT, "train", str(folder / "config.py"), "--workdir", str(folder / "run")]
            start = time.perf_counter()
            with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
                metrics = folder / "run" / METRICS
                while process.poll() is None and not (metrics.is_file() and metrics.stat().st_size):
                    time.sleep(_POLL)
                values.append(time.perf_counter() - start)
                if process.poll() is not None:
                    _check(subprocess.CompletedProcess(command, process.returncode, "", process.communicate()[1]))
                process.kill()
    return Measurement("to the first update", "s", tuple(values[1:]))


_MT = (sys.executable, "-m", "mt")


def _check(done: subprocess.CompletedProcess) -> None:
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise UserError(f"{' '.join(done.args)}: ended with status {done.returncode}: {last}")
