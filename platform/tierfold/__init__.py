"""Fold chats, documents and logs to what a question needs, inside a budget, on a CPU.

>>> import tierfold
>>> answer = tierfold.fold(text, ask="who pays?", budget=tierfold.Budget(max_tokens=2000))
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tierfold.context import Answer, Budget, Document, Part
    from tierfold.engine import afold, fold
    from tierfold.engine.opening import open_store as open  # noqa: A004  # `tierfold.open`, as in `gzip.open`
    from tierfold.engine.store import Store
    from tierfold.errors import TierfoldError

__version__ = "0.1.0"
__all__ = [
    "Answer",
    "Budget",
    "Document",
    "Part",
    "Store",
    "TierfoldError",
    "afold",
    "fold",
    "open",
]

_HOMES = {
    "Answer": ("tierfold.context", "Answer"),
    "Budget": ("tierfold.context", "Budget"),
    "Document": ("tierfold.context", "Document"),
    "Part": ("tierfold.context", "Part"),
    "Store": ("tierfold.engine.store", "Store"),
    "TierfoldError": ("tierfold.errors", "TierfoldError"),
    "afold": ("tierfold.engine", "afold"),
    "fold": ("tierfold.engine", "fold"),
    "open": ("tierfold.engine.opening", "open_store"),
}


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for: `tierfold --version` needs no numpy."""
    if name not in _HOMES:
        msg = f"module 'tierfold' has no attribute {name!r}"
        raise AttributeError(msg)
    from importlib import import_module  # noqa: PLC0415

    module, attribute = _HOMES[name]
    return getattr(import_module(module), attribute)
