"""The audit: everything stored is read once and held against everything else."""

from tierfold.engine.shard.upkeep.audit.auditing import Auditor

__all__ = ["Auditor"]
