"""BLEU on Multi30k's dev set against minutes of training, ours beside MarianMT's in PyTorch, as a table and a picture.

    python -m tests.benchmarks.curves --env DIR --out FOLDER [--minutes 90] [--target fr] [--side-by-side]
        [--theirs "--learning-rate 3e-3"] [--ours "--optimizer.learning-rate 7e-3"]

Both train a Transformer of 4 + 4 layers and 128 channels over the same vocabulary of 8,000 pieces, that of the other
toolkits' `train_hf.py`, and translate the whole dev set greedily; the time that this takes does not count. $MT_PEERS
has that script and its vocabulary, $MT_CORPORA the corpus, and DIR is a virtual environment with PyTorch and
transformers. One trains after the other, each with all cores; with --side-by-side both at once, each with a half of
them, so that the machine's drift is the same for both. What is written to FOLDER already is not trained again.
"""

import argparse
import json
import os
import pathlib
import shlex
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[2]
EVERY = 5.0  # minutes between evaluations, and more often than that in ours
MARKS = (10, 20, 40, 90)
# Their script asks for two threads, which would fight over a single core.
_WITH_THREADS = (
    "import runpy, sys, torch; torch.set_num_threads(int(sys.argv[1])); torch.set_num_threads = lambda count: None; "
    "sys.argv = sys.argv[2:]; runpy.run_path(sys.argv[0], run_name='__main__')"
)
Curve = list[tuple[float, float]]  # minutes and BLEU


def start_theirs(options: argparse.Namespace, cores: list[int]) -> subprocess.Popen | None:
    """MarianMT's training, each of whose lines is minutes, steps, tokens a second and BLEU."""
    log = options.out / "theirs.tsv"
    if log.exists():
        return None
    script = pathlib.Path(os.environ["MT_PEERS"]) / "train_hf.py"
    words = [f"{options.env}/bin/python", "-c", _WITH_THREADS, str(len(cores)), str(script)]
    words += [
        "--data",
        f"{os.environ['MT_CORPORA']}/multi30k",
        "--target",
        options.target,
        "--minutes",
        str(options.minutes),
        "--every",
        str(EVERY),
    ]
    with log.open("w") as file:
        return subprocess.Popen(
            words + shlex.split(options.theirs), stdout=file, preexec_fn=lambda: os.sched_setaffinity(0, cores)
        )


def with_our_ids(model: bytes) -> bytes:
    """Their vocabulary with its special pieces where ours are; all text is cut into the same pieces."""
    from sentencepiece import sentencepiece_model_pb2

    vocabulary = sentencepiece_model_pb2.ModelProto.FromString(model)
    spec = vocabulary.trainer_spec
    names = ("pad", "bos", "eos", "unk")
    special = [getattr(spec, f"{name}_id") for name in names]
    pieces = [vocabulary.pieces[number] for number in special]
    pieces += [piece for number, piece in enumerate(vocabulary.pieces) if number not in special]
    moved = [type(piece).FromString(piece.SerializeToString()) for piece in pieces]
    del vocabulary.pieces[:]
    vocabulary.pieces.extend(moved)
    for number, name in enumerate(names):
        setattr(spec, f"{name}_id", number)
    return vocabulary.SerializeToString()


def start_ours(options: argparse.Namespace, cores: list[int]) -> subprocess.Popen | None:
    """`mt train`, until it is stopped."""
    if (options.out / "ours").exists():
        return None
    vocabulary = options.out / "vocabulary.model"
    vocabulary.write_bytes(with_our_ids((pathlib.Path(os.environ["MT_PEERS"]) / "multi30k.model").read_bytes()))
    words = [sys.executable, "-m", "mt", "train", str(ROOT / "configs" / f"multi30k_en_{options.target}.py")]
    words += ["--workdir", str(options.out / "ours"), "--tokenizer.path", str(vocabulary)]
    words += ["--training.dev-sentences", "0", "--training.dev-search", "greedy"]
    with (options.out / "ours.log").open("w") as file:
        return subprocess.Popen(
            words + shlex.split(options.ours),
            cwd=ROOT,
            stderr=file,
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
        )


def finish(process: subprocess.Popen | None) -> None:
    """Waits for a training, if one was started."""
    if process is not None and process.wait():
        raise SystemExit(f"{shlex.join(process.args)} ended with status {process.returncode}")


def their_curve(folder: pathlib.Path) -> Curve:
    """What MarianMT's training has printed."""
    rows = [line.split("\t") for line in (folder / "theirs.tsv").read_text().splitlines()]
    return [(float(minutes), float(bleu)) for minutes, _, _, bleu in rows]


def our_curve(folder: pathlib.Path) -> Curve:
    """What `mt train` has written; the minutes of an evaluation are those of the last line of metrics before it."""
    curve, minutes = [], 0.0
    for line in (folder / "ours" / "metrics.jsonl").read_text().splitlines():
        metrics = json.loads(line)
        minutes = metrics.get("train/seconds", 60 * minutes) / 60
        if "dev/bleu" in metrics:
            curve.append((minutes, metrics["dev/bleu"]))
    return curve


def at(curve: Curve, minutes: float) -> float:
    """The BLEU of the last evaluation that had been reached by then."""
    return max(((when, bleu) for when, bleu in curve if when <= minutes + 0.1), default=(0.0, 0.0))[1]


def main() -> None:
    """Trains what has not been trained yet, prints the table, and draws."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--env", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--minutes", type=float, default=90)
    parser.add_argument("--target", default="fr")
    parser.add_argument("--theirs", default="", help="options of train_hf.py")
    parser.add_argument("--ours", default="", help="options of mt train")
    parser.add_argument("--side-by-side", action="store_true")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    cores = sorted(os.sched_getaffinity(0))
    half = len(cores) // 2
    if options.side_by_side:
        both = [start_theirs(options, cores[:half]), start_ours(options, cores[half:])]
        for each in both:
            finish(each)
    else:
        finish(start_theirs(options, cores))
        finish(start_ours(options, cores))
    theirs, ours = their_curve(options.out), our_curve(options.out)
    print("minutes    mt  MarianMT")
    for minutes in MARKS:
        print(f"{minutes:7}{at(ours, minutes):6.1f}{at(theirs, minutes):10.1f}")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(6, 4), layout="constrained")
    for name, curve in (("mt", ours), ("MarianMT in PyTorch", theirs)):
        axes.plot(*zip(*curve), marker="o", markersize=3, label=name)
    axes.set(xlabel="minutes of training", ylabel="BLEU on the dev set, greedy", xlim=(0, options.minutes))
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(options.out / "curves.png", dpi=150)


if __name__ == "__main__":
    main()
