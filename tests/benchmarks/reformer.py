"""What the Reformer promises, measured beside GPT of the same size: memory against depth and length, time against
length, and how much of full attention's mass hashing finds.

    python -m tests.benchmarks.reformer memory --depths 2 6 12 24 --lengths 512 4096 65536 [--topology v5e:2x2]
    python -m tests.benchmarks.reformer time --lengths 512 1024 2048 4096
    python -m tests.benchmarks.reformer recall RUN TEXT --rounds 1 2 4 8 --buckets 16 64 256

Memory is the compiler's account of an update, of this machine's CPU or of a TPU that need not be there; time is that of
a loss, and of a loss with its gradients, on one row; recall is of a trained language model on a text's first tokens.
Each prints a line of JSON a measurement, and `plot FILE PICTURE` draws what has been printed into a file.
"""

import argparse
import collections
import dataclasses
import json
import math
import pathlib
import sys
import time
from collections.abc import Iterator
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from mt import config as run_config
from mt import trained
from mt.layers.hashing import hash_vectors, random_rotations
from mt.layers.lsh_attention import LshSelfAttention, inverse_of, normalised, sorted_order
from mt.models.gpt import GptConfig
from mt.planning.account import memory
from mt.planning.chips import describe
from mt.planning.programs import train_step
from mt.training.objectives import TranslationObjective
from tests.benchmarks.family import ROOT


def sized(kind: str, layers: int, length: int) -> run_config.RunConfig:
    """The config of `configs/reformer_fr.py` of that depth and rows so long, or GPT's of the same sizes: "reformer",
    "kept" (the same, which keeps its activations), or "gpt"."""
    config = run_config.read(ROOT / "configs" / "reformer_fr.py")
    own = config.model
    if kind == "gpt":
        sizes = {field: getattr(own, field) for field in ("model_dim", "ff_dim", "num_heads", "activation", "dropout")}
        model: Any = GptConfig(num_layers=layers, max_positions=length, attention_dropout=0.0, **sizes)
    else:
        sizes = dict(num_layers=layers, max_positions=length, reversible=kind == "reformer")
        model = dataclasses.replace(own, **sizes)
    batching = dataclasses.replace(config.data.batching, batch_tokens=length, row_length=length)
    return dataclasses.replace(config, model=model, data=dataclasses.replace(config.data, batching=batching))


def measure_memory(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Bytes of an update of one row: what it is given, and what it needs beside that."""
    devices = describe(options.topology)[1][:1] if options.topology else jax.devices()[:1]
    sizes = [(depth, options.length) for depth in options.depths] + [(options.layers, each) for each in options.lengths]
    for layers, length in dict.fromkeys(sizes):
        for kind in options.kinds:
            compiled = train_step(sized(kind, layers, length), devices, rows=1).compiled
            needed = compiled.memory_analysis()
            yield {
                **{"measured": "memory", "on": options.topology or "cpu", "kind": kind},
                **{"layers": layers, "length": length, "bytes": memory(compiled)},
                **{"given": needed.argument_size_in_bytes, "beside": needed.temp_size_in_bytes},
            }


def measure_time(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Seconds of a loss, and of a loss with its gradients, on one row: the quickest of several."""
    for length in options.lengths:
        for kind in options.kinds:
            config = sized(kind, options.layers, length)
            model = config.model.build(config.tokenizer.vocab_size)
            tokens = np.random.default_rng(0).integers(3, model.vocab, (1, length)).astype(np.int32)
            nothing, ones = jnp.zeros((1, 0), jnp.int32), jnp.ones((1, length), jnp.int32)
            batch = {f"source_{field}": nothing for field in ("tokens", "positions", "segments")}
            batch |= {"target_inputs": jnp.asarray(tokens), "target_tokens": jnp.asarray(tokens)}
            batch |= {"target_segments": ones, "target_positions": jnp.arange(length)[None], "target_documents": ones}
            params = jax.jit(model.init)(jax.random.key(0), batch)["params"]
            objective = TranslationObjective(model, loss_chunk=config.training.loss_chunk)

            def loss(params: Any, key: jax.Array, objective=objective, batch=batch) -> jax.Array:
                return objective.loss(params, batch, key)["loss"]

            found = {}
            for name, function in (("forward", loss), ("both", jax.value_and_grad(loss))):
                found[name] = _quickest(jax.jit(function), params, jax.random.key(1), times=options.times)
            yield {"measured": "time", "kind": kind, "layers": options.layers, "length": length, **found}


def _quickest(function: Any, *given: Any, times: int) -> float:
    jax.block_until_ready(function(*given))
    taken = []
    for _ in range(times):
        begin = time.perf_counter()
        jax.block_until_ready(function(*given))
        taken.append(time.perf_counter() - begin)
    return min(taken)


def measure_recall(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """The share of full attention's mass that each position finds, the mean over positions, heads and layers that
    hash; itself is not counted, and positions that see no other are not either."""
    found = trained.load(options.run)
    tokenizer = found.tokenizers.target
    text = options.text.read_text("utf-8")
    tokens = np.array(tokenizer.encode([text[: 20 * options.length].replace("\n", " ")])[0][: options.length])
    inputs = jnp.asarray(tokens[None], jnp.int32)
    queries: list[tuple[jax.Array, Any]] = []

    def intercept(call: Any, arguments: Any, keywords: Any, context: nn.module.InterceptorContext) -> Any:
        module = context.module
        if isinstance(module, LshSelfAttention) and context.method_name == "__call__":
            queries.append((module._project(arguments[0])[0], module.window))
        return call(*arguments, **keywords)

    with nn.intercept_methods(intercept):
        batch = {"target_inputs": inputs, "target_segments": jnp.ones_like(inputs)}
        found.model.apply({"params": found.params}, batch, method="hidden")
    for buckets in options.buckets:
        for rounds in options.rounds:
            shares = [
                float(_caught(query, window, rounds, _factors(buckets), jax.random.key(seed)))
                for seed, (query, window) in enumerate(queries)
            ]
            yield {"measured": "recall", "rounds": rounds, "buckets": buckets, "caught": float(np.mean(shares))}


def _factors(buckets: int) -> tuple[int, ...]:
    power = int(math.log2(buckets))
    return (buckets,) if buckets <= 128 else (2 ** (power // 2), 2 ** (power - power // 2))


def _caught(query: jax.Array, window: Any, rounds: int, buckets: tuple[int, ...], key: jax.Array) -> jax.Array:
    """Of queries [1, heads, length, head_dim], causally."""
    _, heads, length, head_dim = query.shape
    whole = window.padded(length)
    hashed = hash_vectors(query, random_rotations(key, heads, head_dim, rounds, buckets), buckets)
    segments = jnp.ones((1, length), jnp.int32)
    order = sorted_order(hashed, segments, math.prod(buckets))
    chunk = inverse_of(order) // window.length  # [1, heads, rounds, length]
    assert whole >= length
    shares = []
    for head in range(heads):  # scores of one head at a time
        scores = query[0, head] @ normalised(query[0, head]).T
        before = jnp.tri(length, k=-1, dtype=bool)
        mass = jax.nn.softmax(jnp.where(before, scores, -jnp.inf)[1:], axis=-1)
        ahead = chunk[0, head][:, None, :] - chunk[0, head][:, :, None]
        seen = jnp.any((ahead >= -window.before) & (ahead <= window.after), axis=0)
        shares.append(jnp.mean(jnp.sum(mass * seen[1:], axis=-1)))
    return jnp.mean(jnp.stack(shares))


def plot(options: argparse.Namespace) -> None:
    """Draws what has been printed."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    lines = [json.loads(line) for line in options.file.read_text().splitlines() if line.strip()]
    kinds = list(dict.fromkeys(line["measured"] for line in lines))
    panels = [(kind, "length") for kind in kinds if kind != "recall"]
    panels = [("memory", "layers")] * ("memory" in kinds) + panels + [("recall", "rounds")] * ("recall" in kinds)
    figure, axes = pyplot.subplots(1, len(panels), figsize=(5 * len(panels), 4), squeeze=False)
    for axis, (measured, along) in zip(axes[0], panels):
        value = {"memory": "beside", "time": "both", "recall": "caught"}[measured]
        series = collections.defaultdict(list)
        for line in lines:
            if line["measured"] == measured:
                name = f"{line['buckets']} buckets" if measured == "recall" else line["kind"]
                series[name].append((line[along], line[value]))
        for name, points in series.items():
            axis.plot(*zip(*sorted(points)), marker="o", label=name)
        axis.set(xlabel=along, ylabel={"beside": "bytes", "both": "seconds", "caught": "share of the mass"}[value])
        if along == "length":
            axis.set(xscale="log", yscale="log")
        axis.legend()
    figure.tight_layout()
    figure.savefig(options.picture)


def main() -> None:
    """Prints what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(required=True)
    for name, function in (("memory", measure_memory), ("time", measure_time)):
        verb = verbs.add_parser(name)
        verb.set_defaults(measure=function)
        verb.add_argument("--kinds", nargs="+", default=["reformer", "gpt"], choices=["reformer", "kept", "gpt"])
        verb.add_argument("--lengths", type=int, nargs="*", default=[])
        verb.add_argument("--layers", type=int, default=4, help="where lengths vary")
    verbs.choices["memory"].add_argument("--depths", type=int, nargs="*", default=[])
    verbs.choices["memory"].add_argument("--length", type=int, default=2048, help="where depths vary")
    verbs.choices["memory"].add_argument("--topology", default="", help="of a TPU, as v5e:2x2; else this CPU")
    verbs.choices["time"].add_argument("--times", type=int, default=3)
    recall = verbs.add_parser("recall")
    recall.set_defaults(measure=measure_recall)
    recall.add_argument("run", type=pathlib.Path)
    recall.add_argument("text", type=pathlib.Path)
    recall.add_argument("--length", type=int, default=2048)
    recall.add_argument("--rounds", type=int, nargs="+", default=[1, 2, 4, 8])
    recall.add_argument("--buckets", type=int, nargs="+", default=[16, 64, 256])
    drawing = verbs.add_parser("plot")
    drawing.set_defaults(measure=None)
    drawing.add_argument("file", type=pathlib.Path)
    drawing.add_argument("picture", type=pathlib.Path)
    options = parser.parse_args()
    if options.measure is None:
        plot(options)
        return
    for line in options.measure(options):
        print(json.dumps(line))
        sys.stdout.flush()


if __name__ == "__main__":
    main()
