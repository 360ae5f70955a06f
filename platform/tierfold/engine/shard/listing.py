"""Listings: a tenant's contexts in the order of their ids."""

from collections.abc import Iterator
from itertools import islice

from tierfold.context.identity import ContextKey
from tierfold.context.stored import ContextInfo
from tierfold.engine.shard.keys import catalogue_key, split_tenant, tenant_prefix
from tierfold.engine.shard.operations import GetInfo, ListContexts, Listed
from tierfold.engine.shard.reading import Reader
from tierfold.engine.shard.settled import Settled
from tierfold.errors import CorruptError, UnknownContextError
from tierfold.ports import Family


class Listing:
    """Lists contexts; for any thread."""

    def __init__(self, settled: Settled, reader: Reader) -> None:
        self._settled = settled
        self._reader = reader

    def page(self, operation: ListContexts) -> Listed:
        """Return one page; contexts whose time is over are left out."""
        limit = max(0, operation.limit)
        damaged: list[str] = []
        found = list(islice(self._present(operation, damaged), limit + 1))
        return Listed(
            contexts=tuple(found[:limit]), has_more=len(found) > limit, damaged=tuple(damaged)
        )

    def _present(self, operation: ListContexts, damaged: list[str]) -> Iterator[ContextInfo]:
        tenant = operation.tenant
        listed = self._settled.scan(
            Family.CATALOGUE,
            tenant_prefix(tenant),
            after=catalogue_key(tenant, operation.after) if operation.after else b"",
            descending=operation.descending,
        )
        for key, _ in listed:
            context = ContextKey(tenant, split_tenant(key)[1].decode("ascii"))
            try:
                yield self._reader.info(GetInfo(context=context))
            except UnknownContextError:  # over, or deleted since the scan began
                continue
            except CorruptError:  # it must not hide all the others
                damaged.append(context.id)
