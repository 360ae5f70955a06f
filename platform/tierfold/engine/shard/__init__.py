"""The shard: everything stored of some slots, as one class without Ray."""
