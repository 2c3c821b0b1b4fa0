"""The task graph as one self-contained SVG: layers from left to right, by longest path."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from xml.sax.saxutils import escape

from gitagent.core.graph import TaskGraph
from gitagent.text import one_line
from gitagent.views.graph import FILL
from gitagent.views.picture import Node, Picture, picture
from gitagent.views.terminal import crop

WIDTH, HEIGHT = 220, 46
"""Size of a box, in the SVG's own units."""
GAP_X, GAP_Y = 60, 16
"""Room between layers, and between the boxes of one layer."""
MARGIN = 20
_TITLE = 28
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 allows in no form: https://www.w3.org/TR/xml/#charsets."""

_HEAD = """\
<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="task graph" \
width="{width}" height="{height}" viewBox="0 0 {width} {height}">
<style>
text {{ font: 13px sans-serif; fill: #000 }}
.id {{ font: bold 13px monospace }}
rect {{ stroke: #37474f }}
.ghost rect {{ stroke-dasharray: 4 }}
path {{ fill: none; stroke: #78909c; stroke-width: 1.5 }}
.cycle {{ stroke: #c62828; stroke-dasharray: 4 }}
</style>
<defs><marker id="tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" \
orient="auto"><path d="M0 0L8 4L0 8" /></marker></defs>
<rect width="100%" height="100%" style="fill:#fafafa;stroke:none" />"""


@dataclass(frozen=True, slots=True)
class Spot:
    """Where a box stands: its layer, and its row in it; both start at 0."""

    layer: int
    row: int

    @property
    def x(self) -> int:
        """The left side of the box."""
        return MARGIN + self.layer * (WIDTH + GAP_X)

    @property
    def y(self) -> int:
        """The upper side of the box."""
        return MARGIN + self.row * (HEIGHT + GAP_Y)


def graph_svg(graph: TaskGraph, ids: Iterable[str]) -> str:
    """Return the graph as an SVG document that refers to nothing outside itself.

    A state is shown by a box's colour and by its marker, so it reads without colour.
    """
    drawn = picture(graph, ids)
    spots = layout(drawn)
    width = max((spot.x for spot in spots.values()), default=0) + WIDTH + MARGIN
    height = max((spot.y for spot in spots.values()), default=0) + HEIGHT + MARGIN
    parts = [
        _HEAD.format(width=width, height=height),
        *(_edge(spots[needed], spots[user]) for needed, user in drawn.edges),
        *(_box(node, spots[node.id]) for node in drawn.nodes.values()),
        "</svg>",
    ]
    return "\n".join(parts)


def layout(drawn: Picture) -> Mapping[str, Spot]:
    """Return a spot for each node, no two the same.

    A node's layer is one more than the highest of what it needs and comes after; within a
    layer nodes stand in the order of the mean row of what they need.
    """
    layers = _layers(drawn)
    columns: dict[int, list[str]] = {}
    for each, layer in layers.items():
        columns.setdefault(layer, []).append(each)
    spots: dict[str, Spot] = {}
    for layer in sorted(columns):
        ids = sorted(columns[layer], key=lambda each: _mean_row(drawn, spots, each))
        spots.update({each: Spot(layer, row) for row, each in enumerate(ids)})
    return spots


def _layers(drawn: Picture) -> dict[str, int]:
    layers: dict[str, int] = {}
    for placed in drawn.order():
        before = [layers[each] for each in drawn.needs[placed.node.id] if each in layers]
        layers[placed.node.id] = max(before, default=-1) + 1
    return layers


def _mean_row(drawn: Picture, spots: Mapping[str, Spot], node: str) -> float:
    rows = [spots[each].row for each in drawn.needs[node] if each in spots]
    return sum(rows) / len(rows) if rows else 0.0


def _edge(start: Spot, end: Spot) -> str:
    kind = "" if start.layer < end.layer else ' class="cycle"'
    x1, y1 = start.x + WIDTH, start.y + HEIGHT // 2
    x2, y2 = end.x, end.y + HEIGHT // 2
    bend = GAP_X // 2 if start.layer < end.layer else GAP_X
    curve = f"M{x1} {y1}C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}"
    return f'<path{kind} d="{curve}" marker-end="url(#tip)" />'


def _box(node: Node, spot: Spot) -> str:
    kind = ' class="ghost"' if node.status is None else ""
    label = f"{node.marker} {one_line(node.id, _TITLE)}"
    said = f"{one_line(node.id, _TITLE)} {node.state.replace('_', ' ')}: {node.title}"
    return (
        f'<g{kind} transform="translate({spot.x} {spot.y})"><title>{_xml(said)}</title>'
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="6" style="fill:{FILL[node.state]}" />'
        f'<text class="id" x="10" y="19">{_xml(crop(label, _TITLE - 4))}</text>'
        f'<text x="10" y="37">{_xml(crop(node.title, _TITLE))}</text></g>'
    )


def _xml(text: str) -> str:
    return escape(_NOT_XML.sub("�", text))
