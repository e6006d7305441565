"""Attention as heatmaps: a layer a row, a head a column, tokens on the axes."""

import json
from typing import Any

from mt.decoding.reader import Attention
from mt.pictures.plotting import drawable, figure

# Of each attention, by what it looks from and what it is: what asks, what is looked at, and a title.
_KINDS = {
    ("encoder", "self_attention"): ("source", "source", "Encoder: each source token looks at the source"),
    ("decoder", "self_attention"): ("inputs", "inputs", "Decoder: each target token looks at those before it"),
    ("decoder", "cross_attention"): ("target", "source", "Decoder: what the source says for the token that is next"),
}
_CELL, _SMALLEST_CELL, _LEAST, _MOST = 0.16, 0.06, 1.6, 3.2  # inches: of a token, and of a head


def kinds(attention: Attention) -> dict[str, tuple[list[str], list[str], str]]:
    """Of each of a model's attentions by name: what asks, what is looked at, and a title."""
    found = {}
    for name in attention.maps:
        kind = _kind(name)
        if kind in _KINDS:
            queries, keys, title = _KINDS[kind]
            found[name] = (getattr(attention, queries), getattr(attention, keys), title)
        else:  # of a decoder alone, which reads both sides as one
            both = [*attention.source, *attention.inputs]
            found[name] = (both, both, "Each token looks at the source, and at those before it")
    return found


def short_name(name: str) -> str:
    """What a picture of an attention is called, say "decoder-cross"."""
    side, attention = _kind(name)
    short = attention.removesuffix("_attention")
    return f"{side}-{short}" if (side, attention) in _KINDS else short


def draw(attention: Attention, name: str) -> Any:
    """One of a model's attentions as a figure; darker is more."""
    queries, keys, title = kinds(attention)[name]
    maps = attention.maps[name]
    layers, heads = maps.shape[:2]
    cell = max(_SMALLEST_CELL, min(_CELL, _MOST / max(len(keys), len(queries))))
    font = max(3.0, 6 * cell / _CELL)
    size = max(_LEAST, cell * len(keys)), max(_LEAST, cell * len(queries))
    picture = figure(heads * size[0] + 2.0, layers * (size[1] + 0.25) + 1.4)
    axes = picture.subplots(layers, heads, squeeze=False, sharex=True, sharey=True)
    for layer, row in enumerate(axes):
        for head, axis in enumerate(row):
            image = axis.imshow(maps[layer, head], cmap="Blues", vmin=0, vmax=1, aspect="auto")
            axis.set_title(f"layer {layer + 1}, head {head + 1}", fontsize=7, pad=2)
            axis.set_xticks(range(len(keys)), _shown(keys), rotation=90, fontsize=font)
            axis.set_yticks(range(len(queries)), _shown(queries), fontsize=font)
            axis.tick_params(length=0)
    picture.suptitle(title, fontsize=9)
    picture.supxlabel("what is looked at", fontsize=8)
    picture.supylabel("what looks", fontsize=8)
    picture.colorbar(image, ax=axes, shrink=0.6, aspect=30).ax.tick_params(labelsize=6)
    return picture


def page(attention: Attention) -> str:
    """All of a model's attentions as a page of HTML that needs nothing else."""
    found = [
        {
            "title": title,
            "queries": queries,
            "keys": keys,
            "maps": attention.maps[name].astype(float).round(3).tolist(),
        }
        for name, (queries, keys, title) in kinds(attention).items()
    ]
    # In a script, "</" could end it.
    return _PAGE.replace("DATA", json.dumps(found, ensure_ascii=False).replace("</", "<\\/"))


def _kind(name: str) -> tuple[str, str]:
    """Of "decoder_layers/cross_attention", or of a stack's "decoder/cross_attentions/cross_attention", both ends."""
    first, *_, last = name.split("/")
    return first.removesuffix("_layers"), last


def _shown(pieces: list[str]) -> list[str]:
    return [drawable(piece) for piece in pieces]


_PAGE = """<!doctype html>
<meta charset="utf-8">
<title>Attention</title>
<style>
  body { font: 14px sans-serif; margin: 2em; color: #222; }
  h2 { font-size: 1em; margin: 2em 0 .5em; }
  .row { display: flex; gap: 12px; flex-wrap: wrap; }
  figure { margin: 0; cursor: pointer; }
  figcaption { font-size: 11px; color: #666; }
  #large { overflow: auto; }
  #large td { width: 20px; height: 20px; padding: 0; border: 1px solid #fff; }
  #large th { font: 12px monospace; padding: 0 6px; text-align: right; white-space: nowrap; }
  #large thead th { writing-mode: vertical-rl; text-align: left; padding: 6px 0; }
  #said { height: 1.5em; font-family: monospace; }
</style>
<h1>Attention</h1>
<p>Darker is more. Click a head to see it large; point at a cell to read its weight.</p>
<p id="said"></p>
<div id="large"></div>
<div id="all"></div>
<script>
const attentions = DATA;
const blue = weight => `rgb(${Math.round(255 - 247 * weight)}, ${Math.round(255 - 181 * weight)}, 255)`;
const make = (name, text, parent) => {
  const element = document.createElement(name);
  if (text !== undefined) element.textContent = text;
  if (parent) parent.append(element);
  return element;
};
const said = document.getElementById("said"), large = document.getElementById("large");
const show = (attention, layer, head) => {
  large.replaceChildren();
  make("h2", `${attention.title}: layer ${layer + 1}, head ${head + 1}`, large);
  const table = make("table", undefined, large), top = make("tr", undefined, make("thead", undefined, table));
  make("th", "", top);
  attention.keys.forEach(key => make("th", key, top));
  attention.maps[layer][head].forEach((weights, place) => {
    const row = make("tr", undefined, table);
    make("th", attention.queries[place], row);
    weights.forEach((weight, at) => {
      const cell = make("td", "", row);
      cell.style.background = blue(weight);
      cell.onmouseover = () => said.textContent = `${attention.queries[place]} → ${attention.keys[at]}: ${weight}`;
    });
  });
  large.scrollIntoView({block: "nearest"});
};
for (const attention of attentions) {
  make("h2", attention.title, all);
  attention.maps.forEach((heads, layer) => {
    const row = make("div", undefined, all);
    row.className = "row";
    heads.forEach((weights, head) => {
      const figure = make("figure", undefined, row), canvas = make("canvas", undefined, figure);
      make("figcaption", `layer ${layer + 1}, head ${head + 1}`, figure);
      const size = Math.max(4, Math.min(12, Math.floor(180 / weights.length)));
      canvas.width = size * weights[0].length;
      canvas.height = size * weights.length;
      const context = canvas.getContext("2d");
      weights.forEach((row, y) => row.forEach((weight, x) => {
        context.fillStyle = blue(weight);
        context.fillRect(x * size, y * size, size, size);
      }));
      figure.onclick = () => show(attention, layer, head);
    });
  });
}
if (attentions.length) show(attentions[attentions.length - 1], attentions[attentions.length - 1].maps.length - 1, 0);
</script>
"""
