"""Our engine in one process, spoken to like those of the other toolkits.

    python -m tests.benchmarks.worker --models DIR

Reads `decode BEAM BATCH SENTENCES` or `train STEPS` on stdin, answers one JSON line each: tokens, seconds. DIR/hf is a
MarianMT model. The work is the same as theirs: 24 random words into exactly 40, and updates on 64 x (24 + 24) words.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import sys
import time

parser = argparse.ArgumentParser()
parser.add_argument("--models", type=pathlib.Path, required=True)
parser.add_argument("--show", action="store_true", help="print the translations of the sources by greedy search")
parser.add_argument("--devices", type=int, default=0, help="0 is as many as `mt translate` takes, 1 is for training")
options = parser.parse_args()
answers = os.fdopen(os.dup(1), "w", buffering=1)
os.dup2(2, 1)
if options.devices:
    os.environ["JAX_NUM_CPU_DEVICES"] = str(options.devices)

from mt.allocator import keep_freed_memory  # noqa: E402

keep_freed_memory()

import jax  # noqa: E402
import numpy as np  # noqa: E402
from safetensors.numpy import load_file  # noqa: E402

from mt import parallel  # noqa: E402
from mt.benchmarks.decoding import fixed_length_search  # noqa: E402
from mt.benchmarks.training import random_batch  # noqa: E402
from mt.decoding.beam_search import EOS  # noqa: E402
from mt.exporting import marian_config, marian_tensors  # noqa: E402
from mt.training.objectives import TranslationObjective  # noqa: E402
from mt.training.optimizer import OptimizerConfig, build  # noqa: E402
from mt.training.train_step import initial_state, make_train_step, train_on_devices  # noqa: E402

VOCAB, SOURCE, TARGET = 8000, 24, 40
parallel.use_cores_as_devices()
theirs = json.loads((options.models / "hf" / "config.json").read_text())
config = dataclasses.replace(marian_config.to_ours(theirs, "config.json"), output_bias=False)
# Which of its ids each of ours (0 padding, 1 begin, 2 end) is: it begins with what pads.
begin, end = theirs["decoder_start_token_id"], theirs["eos_token_id"]
words = np.setdiff1d(np.arange(VOCAB), [begin, end])
ids = np.concatenate([words[-1:], [begin, end], words[:-1]])
weights = load_file(options.models / "hf" / "model.safetensors")
params = marian_tensors.to_ours(config, weights, {"source": ids, "target": ids})
model = config.build(VOCAB)
everywhere = parallel.replicate(params)
drawn = np.random.default_rng(0).integers(4, VOCAB - 3, (128, SOURCE))  # as the other engines draw them
ours = np.concatenate([np.argsort(ids)[drawn], np.full((len(drawn), 1), EOS)], 1).astype(np.int32)
programs: dict = {}
training: list = []


def decode(beam, batch, sentences):
    if batch > 1:  # a batch on each core, as the other engines' replicas take one each
        batch *= jax.local_device_count()
    if (beam, batch) not in programs:
        programs[beam, batch] = fixed_length_search(model, beam, batch, TARGET)
    for start in range(0, sentences, batch):
        found = programs[beam, batch](everywhere, ours[start : start + batch])
        assert np.all(found.lengths[:, 0] == TARGET)
        if options.show:
            for row in found.tokens[:, 0]:
                print(*ids[row], file=sys.stderr)
    return sentences * TARGET


def train(steps):
    batches = [random_batch(64, SOURCE, SOURCE, VOCAB, seed) for seed in range(steps)]
    if not training:
        optimizer = build(OptimizerConfig(learning_rate=1e-4, schedule="constant", warmup_steps=0), 1000)
        step = make_train_step(TranslationObjective(model), optimizer, 0)
        training.extend((train_on_devices(step, donate_state=True), initial_state(params, optimizer)))
    step, state = training
    state = parallel.replicate(state)
    for batch in batches:
        state, metrics = step(state, parallel.shard(batch))
        jax.block_until_ready(metrics)
    training[1] = state
    return steps * 64 * SOURCE


print(json.dumps({"ready": "mt"}), file=answers)
for line in sys.stdin:
    what, *numbers = line.split()
    begin = time.perf_counter()
    tokens = {"decode": decode, "train": train}[what](*map(int, numbers))
    print(json.dumps({"tokens": tokens, "seconds": time.perf_counter() - begin}), file=answers)
