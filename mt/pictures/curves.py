"""Trainings as curves: losses, BLEU, learning rate and speed against steps, several runs over each other."""

import pathlib
from collections.abc import Sequence
from typing import Any, NamedTuple

from mt.errors import UserError
from mt.files import parse_json
from mt.pictures.plotting import figure

_METRICS = "metrics.jsonl"


class _Panel(NamedTuple):
    """One of the picture's parts.

    Attributes:
        title: with the unit.
        lines: metrics, and how each is drawn.
        factor: that values are multiplied by.
        logarithmic: whether its axis is.
    """

    title: str
    lines: dict[str, dict[str, Any]]
    factor: float = 1.0
    logarithmic: bool = False


_PANELS = (
    _Panel(
        "loss, nats a target token (training's is negative log-likelihood, thin; dev's has dots)",
        {"train/nll": dict(linewidth=0.8, alpha=0.7), "dev/loss": dict(marker="o", markersize=3)},
        logarithmic=True,
    ),
    _Panel("BLEU on the dev set", {"dev/bleu": dict(marker="o", markersize=3)}),
    _Panel("learning rate", {"train/learning_rate": dict(linewidth=1)}),
    _Panel("thousand target tokens a second", {"train/target_tokens_per_second": dict(linewidth=1)}, 1e-3),
)


def read(run: pathlib.Path) -> list[dict[str, float]]:
    """A run's metrics, a line each.

    Raises:
        UserError: it has none, or they are damaged.
    """
    path = run / _METRICS
    if not path.is_file():
        raise UserError(f"{run} has no {_METRICS}: give the --workdir of mt train")
    lines = []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        try:
            lines.append(parse_json(line))
            lines[-1]["step"] + 0
        except (ValueError, KeyError, TypeError):
            raise UserError(f"{path}, line {number}: damaged; leave the line out") from None
    return lines


def draw(runs: Sequence[pathlib.Path]) -> Any:
    """Runs' curves as a figure.

    Raises:
        UserError: see `read`.
    """
    picture = figure(11, 7)
    axes = picture.subplots(2, 2)
    for number, run in enumerate(runs):
        metrics = read(run)
        for panel, axis in zip(_PANELS, axes.flat):
            label: str | None = run.name or str(run)
            for name, style in panel.lines.items():
                points = [(each["step"], panel.factor * each[name]) for each in metrics if each.get(name) is not None]
                if len(points) == 1:
                    style = style | {"marker": "o", "markersize": 3}  # a line has two ends
                if points:
                    axis.plot(*zip(*points), color=f"C{number % 10}", label=label, **style)
                    label = None  # once a run
    for panel, axis in zip(_PANELS, axes.flat):
        axis.set_title(panel.title, fontsize=8)
        axis.set_xlabel("step", fontsize=8)
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.tick_params(which="both", labelsize=7)
        axis.grid(alpha=0.3)
        if panel.logarithmic:
            axis.set_yscale("log")
            axis.yaxis.set_major_formatter("{x:g}")
            axis.yaxis.set_minor_formatter("{x:g}")
        if axis.get_legend_handles_labels()[0] and len(runs) > 1:
            axis.legend(fontsize=7)
    if len(runs) == 1:
        picture.suptitle(str(runs[0]), fontsize=9)
    return picture
