"""The progressive pipeline: stages, choices under a budget, assembly of answers."""

from tierfold.processing.assembly import Assembler, Shown
from tierfold.processing.choice import Choice, Chooser
from tierfold.processing.counting import tokens_of
from tierfold.processing.latency import LatencyModel, nominal_ms
from tierfold.processing.left_out import left_out
from tierfold.processing.limits import TokenLimit, require_memory, token_limit
from tierfold.processing.pipeline import Draft, Pipeline
from tierfold.processing.places import Places
from tierfold.processing.prepared import Prepared
from tierfold.processing.shares import shares_of
from tierfold.processing.stages import Balanced, Fast, Stage, Stages
from tierfold.processing.unread import (
    Excerpt,
    Newest,
    characters_of,
    has_keep_mark,
    may_read_less,
    newest,
    rows_read,
)

__all__ = [
    "Assembler",
    "Balanced",
    "Choice",
    "Chooser",
    "Draft",
    "Excerpt",
    "Fast",
    "LatencyModel",
    "Newest",
    "Pipeline",
    "Places",
    "Prepared",
    "Shown",
    "Stage",
    "Stages",
    "TokenLimit",
    "characters_of",
    "has_keep_mark",
    "left_out",
    "may_read_less",
    "newest",
    "nominal_ms",
    "require_memory",
    "rows_read",
    "shares_of",
    "token_limit",
    "tokens_of",
]
