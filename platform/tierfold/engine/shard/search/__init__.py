"""Search: BM25 over the terms of every segment, per tenant; a cache on the shard's own disk."""

from tierfold.engine.shard.search.index import SearchIndex
from tierfold.engine.shard.search.keys import POSITION_UNKNOWN, waiting_entry

__all__ = ["POSITION_UNKNOWN", "SearchIndex", "waiting_entry"]
