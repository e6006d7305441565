"""An hour of training with an evaluation about every minute: do memory, file descriptors and threads stay as they are?

    python -m tests.reliability.soak --out FOLDER [--minutes 60] [--evaluate-every 150]

Trains configs/tatoeba_en_fr_tiny.py for so long, and reads what the process uses from /proc every five seconds. FOLDER
gets usage.tsv and usage.png (with matplotlib), and the run itself. It ends with status 1 where, between half of the
time and the end, memory grew by more than a twentieth or descriptors or threads by more than four, or where more
checkpoints are left than are to be kept. A heap that never shrinks (mt/allocator.py) grows in the first half, until its
gaps suffice.
"""

import argparse
import pathlib
import signal
import statistics
import subprocess
import sys
import time

from mt import checkpoint

ROOT = pathlib.Path(__file__).parents[2]
EVERY = 5.0  # seconds
Sample = tuple[float, float, int, int]  # seconds, resident MB, descriptors, threads


def sample(process: int, since: float) -> Sample:
    """What a process uses now."""
    status = dict(line.split(":", 1) for line in pathlib.Path(f"/proc/{process}/status").read_text().splitlines())
    descriptors = len(list(pathlib.Path(f"/proc/{process}/fd").iterdir()))
    return time.monotonic() - since, int(status["VmRSS"].split()[0]) / 1024, descriptors, int(status["Threads"])


def growth(samples: list[Sample], column: int) -> tuple[float, float]:
    """The median of a column after half of the time, and at its end, over a tenth of the samples each."""
    values = [each[column] for each in samples]
    width = max(1, len(values) // 10)
    early = values[len(values) // 2 :][:width]
    return statistics.median(early), statistics.median(values[-width:])


def draw(samples: list[Sample], path: pathlib.Path) -> None:
    """Memory, descriptors and threads against minutes."""
    from matplotlib import pyplot

    figure, rows = pyplot.subplots(3, sharex=True, figsize=(7, 6), layout="constrained")
    for axes, column, name in zip(rows, (1, 2, 3), ("resident memory, MB", "file descriptors", "threads")):
        axes.plot([each[0] / 60 for each in samples], [each[column] for each in samples])
        axes.set(ylabel=name, ylim=(0, None))
        axes.grid(alpha=0.3)
    rows[-1].set_xlabel("minutes")
    figure.savefig(path, dpi=120)


def main() -> None:
    """Trains, watches, and says what has grown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--evaluate-every", type=int, default=150, help="steps")
    options = parser.parse_args()
    options.out.mkdir(parents=True)
    run = options.out / "run"
    words = [
        sys.executable,
        "-m",
        "mt",
        "train",
        str(ROOT / "configs" / "tatoeba_en_fr_tiny.py"),
        "--workdir",
        str(run),
    ]
    words += ["--training.steps", "1000000", "--optimizer.schedule", "constant"]
    words += ["--training.evaluate-every", str(options.evaluate_every)]
    samples: list[Sample] = []
    with (options.out / "log").open("w") as log, subprocess.Popen(words, stderr=log) as process:
        since = time.monotonic()
        while process.poll() is None and time.monotonic() - since < 60 * options.minutes:
            samples.append(sample(process.pid, since))
            time.sleep(EVERY)
        process.send_signal(signal.SIGTERM)
        status = process.wait()
    (options.out / "usage.tsv").write_text("".join("\t".join(map(str, each)) + "\n" for each in samples))
    grown = []
    for column, name, most in ((1, "resident MB", 1.05), (2, "descriptors", 4), (3, "threads", 4)):
        early, late = growth(samples, column)
        print(f"{name}: {early:,.0f} after half of the time, {late:,.0f} at the end")
        grown += [name] if (late > early * most if column == 1 else late > early + most) else []
    left = checkpoint.steps(run)
    print(f"checkpoints: {len(left)} left (of {left[-1] // options.evaluate_every} evaluations)")
    try:
        draw(samples, options.out / "usage.png")
    except ImportError:
        print("no picture: matplotlib is not installed")
    if status != 75 or grown or len(left) > 4:
        raise SystemExit(f"ended with status {status}; grown: {', '.join(grown) or 'nothing'}")


if __name__ == "__main__":
    main()
