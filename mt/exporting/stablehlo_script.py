"""python translate.py < TEXT: each line's best translation, or, if so exported, its best, or samples, with scores."""

import functools
import json
import pathlib
import re
import zlib

import jax.export
import numpy as np
import sentencepiece

folder, batch, eos, unknown = pathlib.Path(__file__).parent, 32, 2, 3
config, pieces = (json.loads((folder / f"{name}.json").read_text("utf-8")) for name in ("config", "pieces"))
source, target = (sentencepiece.SentencePieceProcessor(str(folder / f"{side}.spm")) for side in ("source", "target"))
ids = {piece: number for number, piece in enumerate(pieces["source"])}
breaks = re.compile(r"[\0-\x1f\x7f-\x9f\u2028\u2029]+")
params = jax.device_put(dict(np.load(folder / "params.npz")))


@functools.cache
def search(length):
    return jax.jit(jax.export.deserialize(bytearray((folder / f"search-{length}.stablehlo").read_bytes())).call)


def encode(line):
    language = [code for code in config["language_codes"] if line.startswith(code)]
    return [ids.get(piece, unknown) for piece in language + source.encode(line[len("".join(language)) :], out_type=str)]


def translate(lines):  # up to `batch` of them; of each a list of (score, log-probability, text), best first
    rows = list(map(encode, lines))
    length = next((length for length in config["lengths"] if max(map(len, rows)) < length), None)
    if length is None:
        raise SystemExit(f"a line of {max(map(len, rows))} tokens is too long for {config['lengths'][-1]}: split it")
    tokens, limits = np.zeros((batch, length), np.int32), np.zeros(batch, np.int32)
    for number, row in enumerate(rows):
        tokens[number, : len(row) + 1] = [*row, eos]
        longest = int(config["max_length_factor"] * len(row)) + config["max_length_offset"]
        limits[number] = max(longest, config["min_length"])
    seeds = []  # of samples, which depend on the line and on what was exported
    if config["seed"] is not None:
        hashes = [zlib.crc32(np.array([*row, eos], np.int32).tobytes(), config["seed"]) for row in rows]
        seeds = [np.array(hashes + [0] * (batch - len(rows)), np.uint32)]
    for row, *best in zip(rows, *(values.tolist() for values in search(length)(params, tokens, limits, *seeds))):
        texts = (target.decode([pieces["target"][each] for each in found[:n]]) for found, n in zip(*best[:2]))
        found = [(*each, breaks.sub(" ", text)) for *each, text in zip(*best[2:], texts) if each[0] > -1e9]
        yield found if row else [(0.0, 0.0, "")]


if __name__ == "__main__":
    lines = [line.rstrip("\r\n") for line in open(0, encoding="utf-8", errors="replace", newline="\n")]
    for start in range(0, len(lines), batch):
        for number, best in enumerate(translate(lines[start : start + batch]), start + 1):
            for score, log_prob, text in best:
                print(text if config["n_best"] == 1 else f"{number}\t{score:.6f}\t{log_prob:.6f}\t{text}", flush=True)
