"""Fold chats, documents and logs to what a question needs, inside a budget, on a CPU.

>>> import tierfold
>>> answer = tierfold.fold(text, ask="who pays?", budget=tierfold.Budget(max_tokens=2000))
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tierfold.context import Answer, Budget, Document, Part
    from tierfold.engine import afold, fold
    from tierfold.errors import TierfoldError

__version__ = "0.1.0"
__all__ = ["Answer", "Budget", "Document", "Part", "TierfoldError", "afold", "fold"]

_HOMES = {
    "Answer": "tierfold.context",
    "Budget": "tierfold.context",
    "Document": "tierfold.context",
    "Part": "tierfold.context",
    "TierfoldError": "tierfold.errors",
    "afold": "tierfold.engine",
    "fold": "tierfold.engine",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for: `tierfold --version` needs no numpy."""
    if name not in _HOMES:
        msg = f"module 'tierfold' has no attribute {name!r}"
        raise AttributeError(msg)
    from importlib import import_module  # noqa: PLC0415

    return getattr(import_module(_HOMES[name]), name)
