"""Server-sent events: stage answers as they land, then the result."""

import orjson

from tierfold.wire.body import Json

EVENT_STREAM = "text/event-stream"


def encode_event(name: str, data: Json, *, event_id: str) -> bytes:
    """Return one event; `data` is one line of JSON, so it never needs splitting."""
    return b"event: %b\nid: %b\ndata: %b\n\n" % (
        name.encode(),
        event_id.encode(),
        orjson.dumps(data),
    )
