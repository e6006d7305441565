"""What a memory is worth to a language model: perplexity on novels that it has not read.

    python -m tests.benchmarks.memory --out FOLDER [--steps 6000] [--lengths 0 64 256 1024]

Of the French novels in $MT_CORPORA/mono, every twentieth is kept for dev and every twentieth for test. Transformer-XL
and GPT, of as many layers and channels and the same vocabulary, are trained for as many minutes: each on a core of its
own, GPT for as many updates as it makes in that time, in which Transformer-XL makes its steps. Then perplexity on the
test novels, Transformer-XL's by how much it remembers, and how fast each reads: with its memory, and as a model must
that has none, with a window of as many tokens before each token read anew. What is in FOLDER already is not done again.
"""

import argparse
import concurrent.futures
import dataclasses
import json
import lzma
import os
import pathlib
import subprocess
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np

from mt import trained
from tests.benchmarks.family import ROOT, Trainings

ROWS, LENGTH = 8, 128


def novels(out: pathlib.Path) -> pathlib.Path:
    """A folder with train.fr, dev.fr and test.fr, of whole novels with empty lines between."""
    folder = out / "novels"
    folder.mkdir(exist_ok=True)
    text = pathlib.Path(os.environ["MT_CORPORA"]) / "mono" / "eltec-novels.fr.xz"
    with lzma.open(text, "rt", encoding="utf-8") as file:
        every = [text for text in file.read().split("\n\n") if text.strip()]
    splits = {"dev": every[9::20], "test": every[19::20]}
    splits["train"] = [text for number, text in enumerate(every) if number % 20 not in (9, 19)]
    for split, texts in splits.items():
        (folder / f"{split}.fr").write_text("\n\n".join(texts).strip() + "\n", "utf-8")
    return folder


def minutes(run: pathlib.Path) -> float:
    """That its updates took."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return max(line["train/seconds"] for line in lines if "train/seconds" in line) / 60


def perplexity(run: pathlib.Path, *words: str) -> float:
    """On the test novels."""
    name = run / ("-".join(["found", *words]).replace("--", "") + ".json")
    if not name.exists():
        command = [sys.executable, "-m", "mt", "evaluate", str(run), *words, "--json", str(name)]
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return json.loads(name.read_text())["metrics"]["perplexity"]["score"]


def speeds(run: pathlib.Path, memory: int) -> tuple[float, float]:
    """Tokens a second that are read with a memory of so many, and with a window of as many before each token."""
    found = trained.load(run)
    model, params = found.model, found.params
    tokens = np.random.default_rng(0).integers(3, model.vocab, (ROWS, LENGTH)).astype(np.int32)
    batch = {"target_inputs": jnp.asarray(tokens), "target_segments": jnp.ones((ROWS, LENGTH), jnp.int32)}
    model, forgetful = (
        model.clone(config=dataclasses.replace(model.config, memory_length=length)) for length in (memory, 0)
    )

    @jax.jit
    def read(params, carry):
        hidden, carry = model.apply({"params": params}, batch, carry, method="read")
        logits = model.apply({"params": params}, hidden, method="logits")
        return jnp.max(logits), carry

    @jax.jit
    def slide(params, window):  # the last token's prediction alone, of all that stands before it read anew
        inputs = {"target_inputs": window, "target_segments": jnp.ones_like(window)}
        hidden = forgetful.apply({"params": params}, inputs, method="hidden")
        return jnp.max(forgetful.apply({"params": params}, hidden[:, -1:], method="logits"))

    carry = jax.tree.map(lambda leaf: leaf + (leaf.dtype == jnp.int32), model.initial_carry(ROWS))
    window = jnp.asarray(np.resize(tokens, (ROWS, memory + 1)))
    timed = []
    for run_once, done in ((lambda: read(params, carry)[0], ROWS * LENGTH), (lambda: slide(params, window), ROWS)):
        jax.block_until_ready(run_once())
        begin, times = time.perf_counter(), 0
        while time.perf_counter() - begin < 5:
            jax.block_until_ready(run_once())
            times += 1
        timed.append(times * done / (time.perf_counter() - begin))
    return timed[0], timed[1]


def main() -> None:
    """Trains both, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--lengths", type=int, nargs="+", default=[0, 64, 256, 1024])
    options = parser.parse_args()
    out = options.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    folder, train = str(novels(out)), Trainings(out)
    xl, gpt = (str(ROOT / "configs" / name) for name in ("transformer_xl_fr.py", "gpt_fr.py"))
    alike = ["--data.train", folder, "--data.filter.duplicates", "keep", "--data.batching.kind", "documents"]
    alike += ["--data.batching.row-length", str(LENGTH), "--training.evaluate-every", "1000"]
    first = train("xl", xl, *alike, "--training.steps", str(options.steps))
    # A few updates of both at once say how many GPT makes in Transformer-XL's time.
    vocabulary = ["--tokenizer.path", str(first / "tokenizer.model"), "--model.max-positions", str(LENGTH)]
    trial = ["--training.steps", "100", "--training.evaluate-every", "100"]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        tried = [
            pool.submit(train, "trial-xl", xl, *alike, *vocabulary[:2], *trial),
            pool.submit(train, "trial-gpt", gpt, *alike, *vocabulary, *trial),
        ]
        ratio = minutes(tried[0].result()) / minutes(tried[1].result())
    steps = ["--training.steps", str(round(options.steps * ratio))]
    second = train("gpt", gpt, *alike, *vocabulary, *steps)
    for name, run in (("Transformer-XL", first), ("GPT", second)):
        count = sum(leaf.size for leaf in jax.tree.leaves(trained.load(run).params))
        print(f"{name}: {count:,} parameters, {minutes(run):.1f} minutes")
    print(f"GPT: perplexity {perplexity(second):.2f}")
    for length in options.lengths:
        found = perplexity(first, "--memory-length", str(length))
        with_memory, window = speeds(first, length) if length else (0.0, 0.0)
        said = f", {with_memory:,.0f} tokens/s with it, {window:,.0f} with a window" if length else ""
        print(f"Transformer-XL, memory {length}: perplexity {found:.2f}{said}")


if __name__ == "__main__":
    main()
