"""Our speed beside other toolkits', in one run: engines in turn, one alive at a time, medians and ratios.

    python -m tests.benchmarks.compare decode --env DIR [--repeats 5]
    python -m tests.benchmarks.compare train --env DIR
    python -m tests.benchmarks.compare multi30k --env DIR
    python -m tests.benchmarks.compare text --env DIR --run RUN
    python -m tests.benchmarks.compare start --env DIR --run RUN

"decode" and "train" are random words through one fixed model, "multi30k" is training with that corpus' real lengths,
"text" real text from file to file, and "start" one sentence from the shell.

$MT_PEERS is the folder with the other toolkits' `worker.py`, `train_hf.py` and `startup.py`, DIR what their `setup.sh`
and `make_models.py` made: a virtual environment with fixed models in DIR/models. $MT_CORPORA has the corpora. RUN is a
training's --workdir; for "text" its model must be of Marian's form (model.norm post).
"""

import argparse
import itertools
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

from mt.data.datasets import Languages, read_pairs
from mt.data.text import read_lines
from mt.data.tokenizers import SHARED

ROOT = pathlib.Path(__file__).parents[2]
Rates = dict[tuple[str, str], list[float]]


def command(engine: str, env: pathlib.Path, what: str) -> list[str]:
    """What starts an engine that reads work on stdin."""
    if engine == "mt":
        devices = ["--devices", "1"] if what == "train" else []
        return [sys.executable, "-m", "tests.benchmarks.worker", "--models", f"{env}/models", *devices]
    return [f"{env}/bin/python", _peer("worker.py"), "--engine", engine, "--models", f"{env}/models"]


def _peer(name: str) -> str:
    return str(pathlib.Path(os.environ["MT_PEERS"]) / name)


def _output(*words: object) -> str:
    done = subprocess.run([str(each) for each in words], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout


def rates(what: str, env: pathlib.Path, engines: list[str], repeats: int) -> Rates:
    """Tokens a second, by cell and engine."""
    found: Rates = {}
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


def multi30k(env: pathlib.Path, engines: list[str], repeats: int, minutes: float = 0.75) -> Rates:
    """Target tokens a second of training, padding not counted."""
    found: Rates = {}
    config = ROOT / "tests" / "benchmarks" / "multi30k.py"
    data = ["--data", f"{os.environ['MT_CORPORA']}/multi30k", "--minutes", minutes, "--every", minutes]
    for _, engine in itertools.product(range(repeats), engines):
        if engine == "mt":
            measured = ("--json", "--steps", "40", "--repeats", "3")
            lines = _output(sys.executable, "-m", "mt", "benchmark", "train", config, *measured)
            rate = json.loads(lines.splitlines()[-1])["median"]
        else:
            rate = float(_output(f"{env}/bin/python", _peer("train_hf.py"), *data).split("\t")[2])
        found.setdefault(("multi30k", engine), []).append(rate)
    return found


def text(env: pathlib.Path, run: pathlib.Path, engines: list[str], repeats: int) -> Rates:
    """Sentences a second from file to file; also says how many lines the engines translate as we do."""
    corpora = pathlib.Path(os.environ["MT_CORPORA"])
    sources = {
        "tatoeba": [source for source, _ in read_pairs("tatoeba_en_fr", "test", Languages("en", "fr"))],
        "multi30k": list(read_lines(corpora / "multi30k" / "test_2016_flickr.en.xz")),
    }
    found: Rates = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, lines in sources.items():
            pathlib.Path(folder, name).write_text("\n".join(lines) + "\n", encoding="utf-8")
        vocabulary = run / SHARED
        marian, ctranslate2 = (pathlib.Path(folder, form) for form in ("marian", "ctranslate2"))
        for out in (marian, ctranslate2):
            _output(sys.executable, "-m", "mt", "export", run, out, "--format", out.name)
        models = {"mt": run, "hf": marian, "ct2-f32": ctranslate2, "ct2-int8": ctranslate2}
        for _, beam, name, engine in itertools.product(range(repeats), (1, 5), sources, engines):
            python = sys.executable if engine == "mt" else f"{env}/bin/python"
            source, output = pathlib.Path(folder, name), pathlib.Path(folder, f"{name}.{beam}.{engine}")
            files = ["--vocabulary", vocabulary, "--source", source, "--output", output, "--beam", beam]
            printed = _output(python, ROOT / "tests/benchmarks/text.py", engine, "--model", models[engine], *files)
            sentences, seconds = map(float, printed.split())
            found.setdefault((f"{name} beam {beam}", engine), []).append(sentences / seconds)
        for beam, name, engine in itertools.product((1, 5), sources, engines[1:]):
            first, other = (pathlib.Path(folder, f"{name}.{beam}.{each}").read_text() for each in (engines[0], engine))
            same = sum(map(str.__eq__, first.splitlines(), other.splitlines())) / len(sources[name])
            print(f"{name} beam {beam}: {engine} translates {same:.1%} of the lines as {engines[0]} does")
    return found


def start(env: pathlib.Path, run: pathlib.Path, repeats: int) -> Rates:
    """Seconds from process start to exit with one sentence translated, as `startup.py` of the others measures them."""
    peers = _output(sys.executable, _peer("startup.py"), "--env", env, "--repeats", repeats)
    found = {("start", line.split()[0]): [float(line.split()[2])] for line in peers.splitlines()}
    sentence = "A man in a blue shirt is standing on a ladder.\n"
    for repeat in range(repeats + 1):
        begin = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "mt", "translate", str(run)], input=sentence, stdout=-1, text=True, check=True
        )
        if repeat:
            found.setdefault(("start", "mt"), []).append(time.perf_counter() - begin)
    return found


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["decode", "train", "multi30k", "text", "start"])
    parser.add_argument("--env", type=pathlib.Path, required=True)
    parser.add_argument("--run", type=pathlib.Path)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--engines", nargs="+")
    options = parser.parse_args()
    others = ["hf"] if options.what in ("train", "multi30k") else ["ct2-f32", "ct2-int8", "hf"]
    engines = options.engines or ["mt", *others]
    if options.what == "start":
        found = start(options.env, options.run, options.repeats)
    elif options.what == "text":
        found = text(options.env, options.run, engines, options.repeats)
    elif options.what == "multi30k":
        found = multi30k(options.env, engines, options.repeats)
    else:
        found = rates(options.what, options.env, engines, options.repeats)
    unit = {"start": "s", "text": "sentences/s"}.get(options.what, "tokens/s")
    for cell, engine in found:
        values = found[cell, engine]
        median, own = statistics.median(values), found.get((cell, "mt"))
        ratio = f"  mt is {statistics.median(own) / median:.2f} x" if own and engine != "mt" else ""
        spread = f"({min(values):,.2f} to {max(values):,.2f}, {len(values)} times)"
        print(f"{cell:16} {engine:12} {median:10,.2f} {unit} {spread}{ratio}")


if __name__ == "__main__":
    main()
