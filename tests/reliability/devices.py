"""A training that is stopped on four devices and goes on with one, two or eight, on the same batches.

    python -m tests.reliability.devices [--steps 12]

All have dropout, R-Drop and a moving average of the parameters, and batches of as many rows. Prints how far the
parameters are from those of the training that goes on with four devices, which rounding alone may make.
"""

import argparse
import pathlib
import shutil
import tempfile

import numpy as np

from tests.reliability.kill import end, make_corpus, start
from tests.test_cli import tiny_run_arguments
from tests.trainings import saved_arrays

# Adam divides by the gradient's size: where that is rounding and nothing else, the update would be too.
EPSILON = ["--optimizer.epsilon", "1e-2", "--optimizer.warmup-steps", "1"]


def differences(folder: pathlib.Path, steps: int = 12) -> dict[int, float]:
    """The largest difference of any parameter, by the number of devices."""
    corpus = make_corpus(folder / "corpus")
    more = ["--training.average-decay", "0.9", "--training.consistency", "1", "--model.attention-dropout", "0.1"]
    arguments = [*tiny_run_arguments(corpus, steps, steps // 2), *more, *EPSILON]
    arguments += ["--data.batching.row-multiple", "8", "--optimizer.schedule", "constant"]

    def run(name: str, devices: int, last: int) -> None:
        words = [*arguments, "--training.steps", str(last), "--workdir", str(folder / name)]
        running = start(words, devices, 1)
        said = end(running, 600)
        assert running[0].returncode == 0, said[0][-3000:]

    run("half", 4, steps // 2)
    for devices in (4, 1, 2, 8):
        shutil.copytree(folder / "half", folder / f"on{devices}")
        run(f"on{devices}", devices, steps)
    expected = saved_arrays(folder / "on4", steps, "params")
    found = {}
    for devices in (1, 2, 8):
        arrays = saved_arrays(folder / f"on{devices}", steps, "params")
        found[devices] = max(float(np.abs(array - arrays[path]).max()) for path, array in expected.items())
    return found


def main() -> None:
    """Prints a line a number of devices."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=12)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for devices, most in differences(pathlib.Path(folder), options.steps).items():
            print(f"{devices} devices in place of 4: parameters differ by {most:.1e} at most")
            if most > 1e-5:
                raise SystemExit("that is more than rounding")


if __name__ == "__main__":
    main()
