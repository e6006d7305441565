"""python translate.py < TEXT: the best translation of each line, or several with scores if so exported.

Needs jax, numpy and sentencepiece.
"""

import json
import pathlib
import re

import jax
import jax.export
import numpy as np
import sentencepiece

folder, batch, eos, unknown = pathlib.Path(__file__).parent, 32, 2, 3
config, pieces = (json.loads((folder / f"{name}.json").read_text("utf-8")) for name in ("config", "pieces"))
source, target = (sentencepiece.SentencePieceProcessor(str(folder / f"{side}.spm")) for side in ("source", "target"))
ids = {piece: number for number, piece in enumerate(pieces["source"])}
programs: dict = {}
params: dict = {}
for name, values in np.load(folder / "params.npz").items():
    *path, leaf = name.split("/")
    node = params
    for part in path:
        node = node.setdefault(part, {})
    node[leaf] = jax.device_put(values)


def translate(lines):
    """The n best translations of each of up to `batch` lines, as (score, log-probability, text), best first."""
    rows = [[ids.get(piece, unknown) for piece in source.encode(line, out_type=str)] for line in lines]
    length = next((bound for bound in config["lengths"] if max(map(len, rows)) < bound), None)
    if length is None:
        raise SystemExit(f"a line of {max(map(len, rows))} tokens is too long for {config['lengths'][-1]}: split it")
    if length not in programs:
        exported = jax.export.deserialize(bytearray((folder / f"search-{length}.stablehlo").read_bytes()))
        programs[length] = jax.jit(exported.call)
    tokens, limits = np.zeros((batch, length), np.int32), np.zeros(batch, np.int32)
    for number, row in enumerate(rows):
        tokens[number, : len(row) + 1] = [*row, eos]
        most = int(config["max_length_factor"] * len(row)) + config["max_length_offset"]
        limits[number] = max(most, config["min_length"])
    found = [values[: len(rows)].tolist() for values in programs[length](params, tokens, limits)]
    for row, *best in zip(rows, *found):
        written = (target.decode([pieces["target"][token] for token in tokens[:n]]) for tokens, n in zip(*best[:2]))
        texts = [re.sub(r"[\t\r\n]+", " ", text) for text in written]
        yield [each for each in zip(*best[2:], texts) if each[0] > -1e9] if row else [(0.0, 0.0, "")]


if __name__ == "__main__":
    lines = [line.rstrip("\r\n") for line in open(0, encoding="utf-8", newline="\n")]
    for start in range(0, len(lines), batch):
        for number, best in enumerate(translate(lines[start : start + batch]), start + 1):
            for score, log_prob, text in best:
                print(text if config["n_best"] == 1 else f"{number}\t{score:.6f}\t{log_prob:.6f}\t{text}", flush=True)
