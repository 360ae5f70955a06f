"""Upkeep of a shard: all that happens behind the requests' back, in small steps."""
