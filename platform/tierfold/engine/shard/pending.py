"""What a change shows of what comes next."""

from tierfold.compression.lossless.kinds import is_tool_call
from tierfold.context.segment import Item
from tierfold.engine.shard.operations import Append, Changing, Replace


def is_tool_call_pending(operation: Changing) -> bool:
    """Return whether a chat ends with a row that calls tools now: it will be asked with the result.

    Known of rows that were sent with this change, which is where such a row comes from.
    """
    match operation:
        case Append(items=(*_, last)):
            return _calls_tools(last)
        case Replace(items=(*_, last), names=(*_, name)) if last.segment.name == name:
            return _calls_tools(last)
        case _:
            return False


def _calls_tools(item: Item) -> bool:
    bodies = [piece.body for piece in item.pieces] or [item.segment.body]
    return any(map(is_tool_call, bodies))
