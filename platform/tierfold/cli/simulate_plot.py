"""The picture of a simulation: misses over cache size, a line per policy."""

from collections.abc import Sequence
from html import escape
from importlib import import_module
from importlib.util import find_spec
from io import BytesIO
from math import log10
from typing import Any

from tierfold.cli.table import size
from tierfold.cli.writing import require_writable, save
from tierfold.errors import InvalidInputError, SetupError
from tierfold.sim.comparison import Comparison
from tierfold.sim.trace import Trace

Point = tuple[int, float]  # cache size in bytes, miss ratio

_LEFT, _TOP, _WIDTH, _HEIGHT = 70, 50, 620, 380
_LEGEND_ROW = 20
_TICKS = 5
_COLOURS = (
    *("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377"),
    *("#bb5566", "#004488", "#997700", "#117733", "#882255", "#555555"),
)


def require_plot(file: str) -> None:
    """Refuse a picture that could not be made, before the work."""
    if not file.endswith((".html", ".png")):
        problem = f"{file!r} is no picture we draw; end it in .html or .png"
        raise InvalidInputError(problem, path="--plot")
    require_writable(file)
    if file.endswith(".png") and find_spec("matplotlib") is None:
        problem = (
            "a PNG needs matplotlib: pip install matplotlib, or name a file that ends in .html"
        )
        raise SetupError(problem)


def save_plot(file: str, trace: Trace, comparisons: Sequence[Comparison]) -> None:
    """Draw it as the file's ending says."""
    drawn = curves(comparisons)
    title = f"{trace.name}: {len(trace):,} accesses, {trace.objects:,} objects"
    picture = _png(title, drawn) if file.endswith(".png") else html(title, drawn).encode()
    save(file, picture)


def curves(comparisons: Sequence[Comparison]) -> dict[str, list[Point]]:
    """Return the points of each policy by rising size, the policy that misses least first."""
    drawn: dict[str, list[Point]] = {}
    for found in sorted(comparisons, key=lambda each: each.cell.bytes_max):
        for policy, ratio in found.miss_ratios().items():
            drawn.setdefault(policy, []).append((found.cell.bytes_max, ratio))
    return dict(sorted(drawn.items(), key=lambda item: sum(ratio for _, ratio in item[1])))


def html(title: str, drawn: dict[str, list[Point]]) -> str:
    """Return a page of its own, with nothing to load."""
    sizes = sorted({at for points in drawn.values() for at, _ in points})
    parts = [*_axes(sizes), *_lines(drawn, sizes)]
    height = max(_TOP + _HEIGHT + 60, _TOP + _LEGEND_ROW * len(drawn) + 20)
    return (
        f'<!doctype html>\n<meta charset="utf-8">\n<title>{escape(title)}</title>\n'
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_LEFT + _WIDTH + 180}" height="{height}" '
        'font-family="sans-serif" font-size="13">\n'
        f'<text x="{_LEFT}" y="25" font-size="16">{escape(title)}</text>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _axes(sizes: Sequence[int]) -> list[str]:
    parts = []
    for tick in range(_TICKS + 1):
        ratio = tick / _TICKS
        y = _y(ratio)
        parts.append(
            f'<line x1="{_LEFT}" x2="{_LEFT + _WIDTH}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>'
            f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{ratio:.0%}</text>'
        )
    bottom = _TOP + _HEIGHT
    parts += [
        f'<text x="{_x(at, sizes):.1f}" y="{bottom + 20}" text-anchor="middle">{size(at)}</text>'
        for at in sizes
    ]
    middle = _LEFT + _WIDTH / 2
    parts.append(f'<text x="{middle}" y="{bottom + 45}" text-anchor="middle">cache size</text>')
    return parts


def _lines(drawn: dict[str, list[Point]], sizes: Sequence[int]) -> list[str]:
    parts = []
    for index, (policy, points) in enumerate(drawn.items()):
        colour, name = _COLOURS[index % len(_COLOURS)], escape(policy)
        places = [(_x(at, sizes), _y(ratio), ratio) for at, ratio in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in places)
        row = _TOP + _LEGEND_ROW * index
        parts.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
            f'<rect x="{_LEFT + _WIDTH + 20}" y="{row}" width="12" height="12" fill="{colour}"/>'
            f'<text x="{_LEFT + _WIDTH + 38}" y="{row + 11}">{name}</text>'
        )
        parts += [
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}">'
            f"<title>{name}: {ratio:.2%} missed</title></circle>"
            for x, y, ratio in places
        ]
    return parts


def _x(at: int, sizes: Sequence[int]) -> float:
    """Return the place of a size on a logarithmic axis; a single one stands in the middle."""
    low, high = log10(sizes[0]), log10(sizes[-1])
    share = (log10(at) - low) / (high - low) if high > low else 0.5
    return _LEFT + _WIDTH * (0.05 + 0.9 * share)


def _y(ratio: float) -> float:
    return _TOP + _HEIGHT * (1 - ratio)


def _png(title: str, drawn: dict[str, list[Point]]) -> bytes:
    figures: Any = import_module("matplotlib.figure")  # drawing a page needs nothing of it
    figure = figures.Figure(figsize=(9, 5))
    axes = figure.add_subplot()
    for policy, points in drawn.items():
        axes.plot(*zip(*points, strict=True), marker="o", label=policy)
    axes.set(xscale="log", xlabel="cache size, bytes", ylabel="share missed", title=title)
    axes.set_ylim(0, 1.02)
    axes.grid(which="both", alpha=0.3)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    picture = BytesIO()
    figure.savefig(picture, format="png", dpi=120, bbox_inches="tight")
    return picture.getvalue()
