"""README.md of an exported model: what it is, what it was trained on, how good it is, and how to use it."""

import json
import pathlib
from typing import Any

import jax

from mt.models.interface import writes
from mt.trained import Trained
from mt.version import __version__

_NAMES = {
    "transformer": "Transformer",
    "document_transformer": "Transformer with a memory",
    "transformer_xl": "Transformer-XL",
    "xlnet": "XLNet",
    "reformer": "Reformer",
    "reformer_lm": "Reformer",
}


def model_card(
    found: Trained,
    described: dict[str, Any],
    evaluations: list[dict[str, Any]],
    dtype: str,
    licence: str,
    use: str,
    notes: str = "",
) -> str:
    """The card, in Markdown, headed by the fields that model hubs read.

    Args:
        found: the model.
        described: its run's config.json.
        evaluations: what `mt evaluate` has written of it.
        dtype: of the parameters as they are exported.
        licence: of the model.
        use: the lines that use it, in its format.
        notes: Markdown of what else is to be known.
    """
    source, target = found.languages.source, found.languages.target
    languages, title, task = f"{source}, {target}", f"{source} to {target}", "translation"
    if found.languages.alone:
        languages, title = target, f"Text in {target}"
        task = "text-generation" if writes(found.model) else "fill-mask"
    data = described["run"]["data"]
    size = sum(leaf.size for leaf in jax.tree.leaves(found.params))
    config = found.model.config
    kind = _NAMES.get(config.architecture, config.architecture.upper())
    depths = " + ".join(str(depth) for depth in (config.num_layers, getattr(config, "decoder_depth", 0)) if depth)
    corpora = ", ".join(data["train"]) or "not known: the model was imported"
    scores = [
        f"| {each['name']} | {each['sentences']:,} | {metric} | {result['score']:.2f} | {_cell(result['signature'])} |"
        for each in evaluations
        for metric, result in each["metrics"].items()
    ]
    scored = "" if dtype == "float32" or not scores else "; the scores below are of the same in float32"
    ending = f"\n{notes}\n" if notes else ""
    table = "\n".join(["| test set | sentences | metric | score | signature |", "|---|---|---|---|---|", *scores])
    return f"""---
language: [{languages}]
license: {licence}
pipeline_tag: {task}
tags: [{task}, mt]
---

# {title}

A {kind} of {size:,} parameters ({depths} layers, {config.model_dim} wide) over {len(found.tokenizers.target):,}
pieces, from `{found.name}`, exported by mt {__version__}.

- {"Language" if found.languages.alone else "Languages"}: {languages.replace(", ", " → ")}
- Training data: {corpora}
- Parameters: {dtype}{scored}
- Licence: {licence}

## Use

{use}

## Quality

{table if scores else "Not evaluated yet: `mt evaluate` does."}
{ending}"""


def _cell(text: str) -> str:
    """Text in which a bar does not end the table's cell."""
    return f"`{text}`".replace("|", "\\|")


def evaluations(run: pathlib.Path, name: str) -> list[dict[str, Any]]:
    """What `mt evaluate` has written in a run of the model at that step, oldest first."""
    paths = sorted(run.glob("evaluation-*.json"), key=lambda path: path.stat().st_mtime)
    found = [json.loads(path.read_text("utf-8")) for path in paths]
    return [each for each in found if _step(each.get("model", "")) == _step(name)]


def _step(name: str) -> str:
    """Of a model's name, what does not depend on where its run lay."""
    return name.rpartition(" at step ")[2] if " at step " in name else ""
