"""What each figure must reach, as the issues state it, and whether it did."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One figure of one bench and its bound."""

    bench: str
    key: str
    side: Literal[">=", "<=", ">", "="]
    bound: float
    about: str
    is_of_data: bool = False  # the target is one on the real sets

    def verdict(self, figure: object) -> str:
        """Return met, or by how much it was missed."""
        if not isinstance(figure, int | float):
            return "not measured"
        miss = {
            ">=": self.bound - figure,
            "<=": figure - self.bound,
            "=": abs(figure - self.bound),
            ">": self.bound - figure,
        }[self.side]
        if miss < 0 or (miss == 0 and self.side != ">"):
            return "met"
        share = f" ({miss / self.bound:.0%})" if self.bound else ""
        return f"missed by {miss:.3g}{share}"


TARGETS = (
    *(
        target
        for percent, gain in (("25", 0.07), ("10", 0.10), ("05", 0.09))
        for target in (
            Target(
                bench="quality",
                key=f"gain_{percent}",
                side=">=",
                bound=gain,
                about=f"recall gained over stemmed BM25, {int(percent)} % of tokens",
                is_of_data=True,
            ),
            Target(
                bench="quality",
                key=f"gain_low_{percent}",
                side=">",
                bound=0,
                about="its lower 95 % bound",
                is_of_data=True,
            ),
        )
    ),
    *(
        Target(bench="quality", key=key, side="=", bound=0, about=about)
        for key, about in (
            ("overshoots", "answers over their budget"),
            ("split_atoms", "tool exchanges and parts cut in two"),
            ("invalid_json", "JSON that no longer parses"),
            ("nondeterministic", "answers that differ from one time to the next"),
        )
    ),
    Target(
        bench="latency",
        key="warm_128k_cpu_ms",
        side="<=",
        bound=3,
        about="CPU ms of a question on 128k prepared tokens",
    ),
    Target(
        bench="latency",
        key="warm_128k_vs_bm25_query",
        side="<=",
        bound=8,
        about="its scoring and selection over a numpy BM25 query",
    ),
    Target(
        bench="latency",
        key="cold_32k_vs_bm25s",
        side="<=",
        bound=2,
        about="32k tokens never seen, over bm25s' build and query",
    ),
    Target(
        bench="latency",
        key="growth_exponent",
        side="<=",
        bound=1.05,
        about="exponent of CPU against tokens",
    ),
    Target(
        bench="cli",
        key="overhead_vs_import",
        side="<=",
        bound=3,
        about="the command less its pipeline, over its imports",
    ),
    Target(
        bench="http",
        key="overhead_vs_echo",
        side="<=",
        bound=3.5,
        about="HTTP less handler, over an echo",
    ),
    Target(bench="http", key="livez_max_ms", side="<=", bound=250, about="slowest /livez"),
    Target(bench="http", key="errors", side="=", bound=0, about="answers that went wrong"),
)


def table_of_targets(
    figures: Mapping[str, Mapping[str, Any] | None],
    commands: Mapping[str, str],
    *,
    has_data: bool,
) -> Iterable[str]:
    """Yield the lines of a Markdown table: target, figure, whether it is met, command."""
    yield "| target | figure | | command |"
    yield "|---|---|---|---|"
    for target in TARGETS:
        figure = (figures.get(target.bench) or {}).get(target.key)
        bound = f"`{target.key}` {target.side} {target.bound:g}: {target.about}"
        shown = "null" if figure is None else f"{figure:.4g}"
        is_asked = has_data or not target.is_of_data
        verdict = target.verdict(figure) if is_asked else "on generated contexts: no target"
        yield f"| {bound} | {shown} | {verdict} | `{commands.get(target.bench, '')}` |"
