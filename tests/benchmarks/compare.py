"""Our speed beside other toolkits', in one run: engines in turn, one alive at a time, medians and ratios.

    python -m tests.benchmarks.compare decode --env DIR [--repeats 5]
    python -m tests.benchmarks.compare train --env DIR
    python -m tests.benchmarks.compare start --env DIR --run RUN

$MT_PEERS is the folder with the other toolkits' `worker.py` and `startup.py`, and DIR what their `setup.sh` and
`make_models.py` made: a virtual environment with fixed models in DIR/models.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).parents[2]


def command(engine: str, env: pathlib.Path, what: str) -> list[str]:
    """What starts an engine that reads work on stdin."""
    if engine == "mt":
        devices = ["--devices", "1"] if what == "train" else []
        return [sys.executable, "-m", "tests.benchmarks.worker", "--models", f"{env}/models", *devices]
    worker = pathlib.Path(os.environ["MT_PEERS"]) / "worker.py"
    return [f"{env}/bin/python", str(worker), "--engine", engine, "--models", f"{env}/models"]


def rates(what: str, env: pathlib.Path, engines: list[str], repeats: int) -> dict[tuple[str, str], list[float]]:
    """Tokens a second, by cell and engine."""
    found: dict[tuple[str, str], list[float]] = {}
    cells = [f"decode {beam} {batch}" for beam in (1, 5) for batch in (1, 32)] if what == "decode" else ["train"]
    for _ in range(repeats):
        for engine in engines:
            pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, bufsize=1)
            worker = subprocess.Popen(command(engine, env, what), cwd=ROOT, **pipes)
            worker.stdout.readline()

            def ask(line, worker=worker):
                worker.stdin.write(line + "\n")
                return json.loads(worker.stdout.readline())

            for cell in cells:
                warm, size = {"1": (2, 8), "32": (64, 128)}.get(cell.split()[-1], (3, 8))
                ask(f"{cell} {warm}")
                answer = ask(f"{cell} {size}")
                found.setdefault((cell, engine), []).append(answer["tokens"] / answer["seconds"])
            worker.stdin.close()
            worker.wait()
    return found


def start(env: pathlib.Path, run: pathlib.Path, repeats: int) -> dict[tuple[str, str], list[float]]:
    """Seconds from process start to exit with one sentence translated, as `startup.py` of the others measures them."""
    peers = subprocess.run(
        [sys.executable, f"{os.environ['MT_PEERS']}/startup.py", "--env", str(env), "--repeats", str(repeats)],
        capture_output=True,
        text=True,
        check=True,
    )
    found = {("start", line.split()[0]): [float(line.split()[2])] for line in peers.stdout.splitlines()}
    sentence = "A man in a blue shirt is standing on a ladder.\n"
    for repeat in range(repeats + 1):
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-m", "mt", "translate", str(run)], input=sentence, text=True, check=True)
        if repeat:
            found.setdefault(("start", "mt"), []).append(time.perf_counter() - begin)
    return found


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["decode", "train", "start"])
    parser.add_argument("--env", type=pathlib.Path, required=True)
    parser.add_argument("--run", type=pathlib.Path)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--engines", nargs="+")
    options = parser.parse_args()
    if options.what == "start":
        found = start(options.env, options.run, options.repeats)
    else:
        others = ["ct2-f32", "ct2-int8", "hf"] if options.what == "decode" else ["hf"]
        found = rates(options.what, options.env, options.engines or ["mt", *others], options.repeats)
    unit = "s" if options.what == "start" else "tokens/s"
    for cell, engine in found:
        values = found[cell, engine]
        median, own = statistics.median(values), found.get((cell, "mt"))
        ratio = f"  mt is {statistics.median(own) / median:.2f} x" if own and engine != "mt" else ""
        spread = f"({min(values):,.2f} to {max(values):,.2f}, {len(values)} times)"
        print(f"{cell:14} {engine:12} {median:10,.2f} {unit} {spread}{ratio}")


if __name__ == "__main__":
    main()
