"""Where contexts live: slots, shards, and later the registers that keep replicas in step."""

from tierfold.replication.placement import Placement

__all__ = ["Placement"]
