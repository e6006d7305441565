"""A beam search as a tree: who descends from whom, what was dropped, and what won."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from mt.pictures.plotting import drawable, figure

_LEGEND = "log-probabilities in nats; at ends (</s>) scores, which have the length penalty"
Beam = tuple[Mapping[tuple[str, ...], float], Mapping[tuple[str, ...], float]]  # live and finished, after a step


@dataclasses.dataclass
class Node:
    """A hypothesis that was in the beam.

    Attributes:
        piece: its last token.
        log_prob: in nats; of a finished one, its score.
        is_end: whether it has ended.
        is_best: whether it, or what it became, is the best translation.
        children: that were in the beam.
    """

    piece: str
    log_prob: float
    is_end: bool = False
    is_best: bool = False
    children: list["Node"] = dataclasses.field(default_factory=list)


def tree(steps: Sequence[Beam]) -> Node:
    """The tree of a search, from the beams after each of its steps; finished hypotheses are leaves of their own."""
    root = Node("<s>", 0.0)
    nodes: dict[tuple[str, ...], Node] = {(): root}
    ended: dict[tuple[str, ...], Node] = {}
    for live, finished in steps:
        for words, log_prob in live.items():
            nodes[words] = Node(words[-1], log_prob)
            nodes[words[:-1]].children.append(nodes[words])
        for words, score in finished.items():
            if words not in ended:
                ended[words] = Node("</s>", score, is_end=True)
                nodes[words].children.append(ended[words])
    last = steps[-1][1] if steps else {}
    if last:
        best = max(last, key=lambda words: last[words])
        ended[best].is_best = True
        for length in range(len(best) + 1):
            nodes[best[:length]].is_best = True
    return root


def text(root: Node) -> str:
    """The tree in lines: each hypothesis with its log-probability in nats, each end with its score; the best in *."""
    lines: list[str] = []

    def write(node: Node, indent: str, is_last: bool) -> None:
        # A chain without a branch is one line.
        words, end = [node.piece], node
        while len(end.children) == 1 and not end.is_end:
            end = end.children[0]
            words.append(end.piece)
        mark = "*" if end.is_best else " "
        lines.append(f"{indent}{'└' if is_last else '├'}{mark}{' '.join(words)}  {end.log_prob:.2f}")
        below = indent + ("  " if is_last else "│ ")
        children = _ordered(end)
        for child in children:
            write(child, below, child is children[-1])

    write(root, "", True)
    lines.append(f"({_LEGEND})")
    return "".join(f"{line}\n" for line in lines)


def draw(root: Node) -> Any:
    """The tree as a figure, from left to right; the best in colour."""
    places: dict[int, tuple[int, float]] = {}
    leaves = 0

    def place(node: Node, depth: int) -> float:
        nonlocal leaves
        if node.children:
            heights = [place(child, depth + 1) for child in _ordered(node)]
            height = sum(heights) / len(heights)
        else:
            height, leaves = float(leaves), leaves + 1
        places[id(node)] = depth, height
        return height

    place(root, 0)
    deepest = max(depth for depth, _ in places.values())
    picture = figure(max(4, 1.05 * (deepest + 1)), max(2.5, 0.3 * leaves + 0.6))
    axis = picture.subplots()

    def write(node: Node) -> None:
        x, y = places[id(node)]
        colour = "C0" if node.is_best else "#888"
        axis.text(
            x, y, f"{drawable(node.piece)}\n{node.log_prob:.2f}", ha="center", va="center", fontsize=6, color=colour
        )
        for child in node.children:
            to_x, to_y = places[id(child)]
            width = 1.6 if child.is_best else 0.5
            axis.plot(
                [x + 0.3, to_x - 0.3], [y, to_y], color="C0" if child.is_best else "#bbb", linewidth=width, zorder=0
            )
            write(child)

    write(root)
    axis.set_xlim(-0.5, deepest + 0.5)
    axis.set_ylim(leaves - 0.4, -0.6)
    axis.axis("off")
    axis.set_title(_LEGEND, fontsize=6, color="#888", loc="left")
    return picture


def _ordered(node: Node) -> list[Node]:
    return sorted(node.children, key=lambda child: (child.is_end, -child.log_prob))
