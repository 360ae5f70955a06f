"""Working sets: a stored context made ready for questions, in this heap (L0) or mapped (L1)."""

from tierfold.engine.working.arrays import load_arrow
from tierfold.engine.working.bring_back import HandlePage, bring_back, page_of
from tierfold.engine.working.builder import Builder
from tierfold.engine.working.decode import message_of, source_of
from tierfold.engine.working.excerpt import Partial, partial_of
from tierfold.engine.working.folder import SharedFile, SharedFolder
from tierfold.engine.working.job import Build
from tierfold.engine.working.loaded import Loaded, build, extended
from tierfold.engine.working.mapped import encode_working, map_shared
from tierfold.engine.working.sets import Held, WorkingSets, WorkingSetsReport

__all__ = [
    "Build",
    "Builder",
    "HandlePage",
    "Held",
    "Loaded",
    "Partial",
    "SharedFile",
    "SharedFolder",
    "WorkingSets",
    "WorkingSetsReport",
    "bring_back",
    "build",
    "encode_working",
    "extended",
    "load_arrow",
    "map_shared",
    "message_of",
    "page_of",
    "partial_of",
    "source_of",
]
