"""The search as a SavedModel, read by TensorFlow alone."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from mt import Translator, cli
from tests.conftest import shipped_pairs

LINES = [source for source, _ in shipped_pairs("dev", 12)]
PROGRAM = """
import json, sys
for name in ("mt", "jax", "flax"): sys.modules[name] = None  # importing them fails
import tensorflow as tf
folder, rows = sys.argv[1], json.loads(sys.argv[2])
found = tf.saved_model.load(folder + "/1").signatures["serving_default"](source=tf.constant(rows))
print(json.dumps({name: values.numpy().tolist() for name, values in found.items()}))
"""


def test_tensorflow_finds_what_we_find(run, tmp_path):
    out = tmp_path / "out"
    assert cli.main(["export", str(run), str(out), "--format", "saved_model", "--n-best", "2"]) == 0
    translator = Translator.load(run)
    ids = translator.tokenizers.source.encode(LINES)
    rows = np.zeros((len(ids), max(map(len, ids))), int)
    for row, each in zip(rows, ids):
        row[: len(each)] = each
    command = [sys.executable, "-c", PROGRAM, str(out), json.dumps(rows.tolist())]
    own = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}  # some are unknown to TensorFlow's
    done = subprocess.run(command, capture_output=True, text=True, env=own)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    pieces = json.loads((out / "pieces.json").read_text())["target"]
    for number, best in enumerate(translator.n_best(LINES, 2)):
        for rank, each in enumerate(best):
            tokens = found["tokens"][number][rank][: found["lengths"][number][rank]]
            assert translator.tokenizers.target.pieces(tokens) == [pieces[token] for token in tokens]
            assert translator.tokenizers.target.decode([tokens])[0].split() == each.text.split()
            assert found["scores"][number][rank] == pytest.approx(each.score, abs=1e-4)
