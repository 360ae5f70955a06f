"""The audit: everything stored is read once and held against everything else."""

from tierfold.engine.shard.upkeep.audit.auditing import Auditor
from tierfold.engine.shard.upkeep.audit.objects import ObjectsAudit

__all__ = ["Auditor", "ObjectsAudit"]
