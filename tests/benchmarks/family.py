"""What pretraining on text of one language is worth to a translator: BLEU on Tatoeba's test set.

    python -m tests.benchmarks.family --out FOLDER [--steps 1200] [--pretraining-steps 3000] [--seeds 1] [--sizes all …]

All have one vocabulary of 8,000 pieces, and translators 3 + 3 layers of 128 channels; each of the machine's cores has
a training of its own. With 5,000, 20,000 and all of the corpus' pairs, so many updates each, the best of four
checkpoints on the dev set: from random weights; with an encoder from a BERT of the English side and a decoder from a
GPT of the French; with one from an XLNet, and from random weights in its form; and from a denoiser of both sides. The
text of one language is that of the whole corpus. Beside them, with all pairs, a decoder alone of as many parameters,
and shallow fusion with the GPT. What is in FOLDER already is not done again.
"""

import argparse
import concurrent.futures
import itertools
import json
import lzma
import os
import pathlib
import queue
import subprocess
import sys

import jax

from mt import trained

ROOT = pathlib.Path(__file__).parents[2]
SHIPPED = ROOT / "mt" / "data" / "corpora" / "tatoeba_en_fr"
SIZES = {"5,000": 5_000, "20,000": 20_000, "all": 146_499}
NAMES = "tatoeba_en_fr_tiny.py", "bert_en.py", "gpt_fr.py", "xlnet_en.py"
TINY, BERT, GPT, XLNET = (str(ROOT / "configs" / name) for name in NAMES)
ALIKE = ["--model.num-layers", "3", "--model.model-dim", "128", "--model.ff-dim", "512", "--model.num-heads", "4"]
ALIKE += ["--model.activation", "gelu", "--model.norm-epsilon", "1e-6", "--model.dropout", "0.1"]
# A translator that is built as BERT and GPT are, for the one that starts from random weights.
FORM = ["--model.norm", "post", "--model.decoder-norm", "pre"]
FORM += ["--model.scale-embeddings", "False", "--model.tie-embeddings", "target"]
JOINED = [*FORM, "--model.source-norm", "True", "--model.positions", "learned", "--model.max-positions", "64"]
# And as XLNet is.
DISTANT = [*FORM, "--model.positions", "relative"]
PLAIN = ["--model.norm", "pre"]
# As many parameters in blocks as three of an encoder and three of a decoder have.
ALONE = ["--model.num-layers", "7"]


class Trainings:
    """`mt train`, a core each."""

    def __init__(self, out: pathlib.Path):
        self._out = out
        self._cores: queue.Queue[int] = queue.Queue()
        for core in sorted(os.sched_getaffinity(0)):
            self._cores.put(core)

    def __call__(self, name: str, *words: str) -> pathlib.Path:
        """Trains, or goes on; the run's folder."""
        run, core = self._out / name, self._cores.get()
        try:
            with (self._out / f"{name}.log").open("a") as log:
                command = [sys.executable, "-m", "mt", "train", *words, "--workdir", str(run)]
                if not list(run.glob("evaluation-*.json")):
                    subprocess.run(
                        command,
                        cwd=ROOT,
                        stdout=log,
                        stderr=log,
                        check=True,
                        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
                    )
        finally:
            self._cores.put(core)
        return run


def corpora(out: pathlib.Path) -> dict[str, str]:
    """Folders with so many of the pairs, spread evenly; of all, the corpus' own name."""
    found = {"all": "tatoeba_en_fr"}
    for name, count in SIZES.items():
        if name == "all":
            continue
        folder = out / f"pairs-{count}"
        folder.mkdir(exist_ok=True)
        for language in ("en", "fr"):
            with lzma.open(SHIPPED / f"train.{language}.xz", "rt", encoding="utf-8") as file:
                lines = file.read().split("\n")[:-1]
            chosen = lines[:: len(lines) // count][:count]
            (folder / f"train.{language}").write_text("".join(f"{line}\n" for line in chosen), "utf-8")
        found[name] = str(folder)
    return found


def bleu(run: pathlib.Path) -> float:
    """On the test set, as the training has reported it."""
    return json.loads((run / "evaluation-test.json").read_text())["metrics"]["BLEU"]["score"]


def described(run: pathlib.Path) -> str:
    """A run's BLEU, the minutes that its updates took, and its parameters."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    seconds = max(line["train/seconds"] for line in lines if "train/seconds" in line)
    parameters = sum(array.size for array in jax.tree.leaves(trained.load(run).params))
    return f"{bleu(run):.2f} BLEU, {seconds / 60:.1f} minutes, {parameters:,} parameters"


def main() -> None:
    """Pretrains, trains, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--pretraining-steps", type=int, default=3000)
    parser.add_argument("--seeds", type=int, default=1, help="of the translators; what they start from has one")
    parser.add_argument("--sizes", nargs="+", choices=list(SIZES), default=list(SIZES), help="numbers of pairs")
    options = parser.parse_args()
    out = options.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    train, pairs = Trainings(out), corpora(out)
    before = ["--training.steps", str(options.pretraining_steps)]
    steps = ["--training.steps", str(options.steps), "--training.evaluate-every", str(options.steps // 4)]
    splits = ["--data.dev", "tatoeba_en_fr", "--data.test", "tatoeba_en_fr"]

    # Its vocabulary is that of all the others.
    first = train("random-all-0", TINY, *ALIKE, *JOINED, *steps, "--tokenizer.symbols", "<mask>")
    vocabulary = ["--tokenizer.path", str(first / "tokenizer.model")]
    text = [str(SHIPPED / f"train.{language}") for language in ("en", "fr")]
    denoising = ["--data.source-language", "", "--data.infilling.share", "0.35", "--training.best-by", "loss"]
    denoising += ["--data.train", *text, "--data.dev", str(SHIPPED / "dev.fr"), "--data.test", str(SHIPPED / "test.fr")]
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        bert, gpt, denoiser, xlnet = (
            pool.submit(train, *words)
            for words in (
                ("bert", BERT, *ALIKE, *before, *vocabulary),
                ("gpt", GPT, *ALIKE, *before, *vocabulary),
                ("denoiser", TINY, *ALIKE, *PLAIN, *before, *vocabulary, *denoising),
                ("xlnet", XLNET, *ALIKE, *before, *vocabulary),
            )
        )
        pretrained = ["--encoder-from", str(bert.result()), "--decoder-from", str(gpt.result())]
        starts = {
            "random": [*ALIKE, *JOINED, *vocabulary],
            "bert": ["--encoder-from", str(bert.result()), *ALIKE, *JOINED],
            "bert-gpt": [*pretrained, *ALIKE],
            "distances": [*ALIKE, *DISTANT, *vocabulary],
            "xlnet": ["--encoder-from", str(xlnet.result()), *ALIKE, *DISTANT],
            "plain": [*ALIKE, *PLAIN, *vocabulary],
            "denoised": ["--start-from", str(denoiser.result())],
        }
        runs = {
            (start, size, seed): pool.submit(
                train, f"{start}-{size.replace(',', '')}-{seed}", TINY, "--data.train", pairs[size], *splits, *steps,
                *words, "--seed", str(seed),
            )
            for seed, size, (start, words) in itertools.product(range(options.seeds), options.sizes, starts.items())
            if (start, size, seed) != ("random", "all", 0)
        }  # fmt: skip
        decoder = str(ROOT / "configs" / "tatoeba_en_fr_gpt.py")
        alone = pool.submit(train, "decoder-alone", decoder, *ALONE, *vocabulary, *steps)
        found = {key: bleu(run.result()) for key, run in runs.items()} | {("random", "all", 0): bleu(first)}
        print("pairs     " + "".join(f"{start:>12}" for start in starts))
        for size in options.sizes:
            scores = {start: [found[start, size, seed] for seed in range(options.seeds)] for start in starts}
            print(f"{size:10}" + "".join(f"{sum(each) / len(each):12.2f}" for each in scores.values()))
            if options.seeds > 1:
                print(f"{'':10}" + "".join(f"{f'{min(each):.2f}-{max(each):.2f}':>12}" for each in scores.values()))
        print(f"a decoder alone, all pairs: {described(alone.result())}")
        if ("plain", "all", 0) in runs:
            print(f"with an encoder beside it: {described(runs['plain', 'all', 0].result())}")
    for weight in (0.0, 0.05, 0.1, 0.2, 0.3) if "20,000" in options.sizes else ():
        result = out / f"fusion-{weight}.json"
        if not result.exists():
            words = ["--split", "dev"]
            if weight:
                words += ["--language-model", str(out / "gpt"), "--language-model-weight", str(weight)]
            command = [sys.executable, "-m", "mt", "evaluate", str(out / "plain-20000-0"), *words]
            subprocess.run([*command, "--json", str(result)], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        score = json.loads(result.read_text())["metrics"]["BLEU"]["score"]
        print(f"shallow fusion of weight {weight}, 20,000 pairs, dev set: {score:.2f}")


if __name__ == "__main__":
    main()
