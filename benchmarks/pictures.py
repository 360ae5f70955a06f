"""The picture each bench leaves behind."""

from collections.abc import Mapping, Sequence

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt

from benchmarks.meter import PICTURES, say

Line = tuple[Sequence[float], Sequence[float]]  # x and y


def draw(
    name: str, lines: Mapping[str, Line], *, x_label: str, y_label: str, is_log: bool = False
) -> None:
    """Write build/bench/NAME.png and say where it is."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    figure, axes = plt.subplots(figsize=(7, 4.5))
    for label, (x, y) in lines.items():
        axes.plot(x, y, marker="o", label=label)
    if is_log:
        axes.set(xscale="log", yscale="log")
    else:
        axes.set_ylim(bottom=0)
    axes.set(xlabel=x_label, ylabel=y_label)
    axes.grid(which="both", alpha=0.3)
    axes.legend()
    figure.savefig(PICTURES / f"{name}.png", dpi=120)
    plt.close(figure)
    say(f"picture: {PICTURES / f'{name}.png'}")
