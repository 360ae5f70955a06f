"""A store in this process, seen as a server would show it."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from tierfold.client.documents import (
    BroughtBack,
    ContextObject,
    Found,
    HandlePage,
    Item,
    ItemsPage,
    ListPage,
    SearchHit,
    Shape,
)
from tierfold.client.prefetching import HintName
from tierfold.context import Budget, Markers, Tokenizer
from tierfold.context.canonical import json_of, part_of, text_of
from tierfold.context.identity import ContextKey
from tierfold.context.manifest import BRANCH_PAGES, PAGE_NAMES
from tierfold.context.manifest import Shape as StoredShape
from tierfold.context.stored import ContextInfo
from tierfold.engine.shard.operations import TierReport, TiersReport
from tierfold.engine.shard.tier_bodies import choice_body, prefetch_body, tier_body
from tierfold.engine.store import Store
from tierfold.errors import CallerError

_READS_MAX = 256  # to find out where a context lies
_INDEXING_S_MAX = 5.0  # that a search waits for what was just written
_INDEXING_S_STEP = 0.05

_SHAPES: dict[StoredShape, Shape] = {
    StoredShape.MESSAGES: "messages",
    StoredShape.PARTS: "parts",
    StoredShape.TEXT: "text",
}


class LocalContexts:
    """The contexts of a store that this process has open."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def create(
        self,
        id: str | None = None,  # noqa: A002  # the word callers know
        *,
        messages: Sequence[Mapping[str, Any]] | None = None,
        text: str | None = None,
        document: Mapping[str, Any] | None = None,
        title: str = "",
        metadata: Mapping[str, Any] | None = None,
        ttl_s: float | None = None,
    ) -> ContextObject:
        """Store a new context."""
        info = self.store.create(
            id,
            messages=messages,
            text=text,
            document=document,
            title=title,
            metadata=metadata,
            ttl_s=ttl_s,
        )
        return context_object(info)

    def append(
        self,
        id: str,  # noqa: A002  # as above
        *,
        messages: Sequence[Mapping[str, Any]] | None = None,
        text: str | None = None,
        parts: Sequence[Item] | None = None,
        if_version: int | None = None,
    ) -> ContextObject:
        """Add to the end."""
        info = self.store.append(
            id, messages=messages, text=text, parts=parts, if_version=if_version
        )
        return context_object(info)

    def put(
        self,
        id: str,  # noqa: A002  # as above
        *,
        messages: Sequence[Mapping[str, Any]] | None = None,
        text: str | None = None,
        document: Mapping[str, Any] | None = None,
        if_version: int | None = None,
    ) -> ContextObject:
        """Make the context exactly this."""
        info = self.store.put(
            id, messages=messages, text=text, document=document, if_version=if_version
        )
        return context_object(info)

    def get(self, id: str) -> ContextObject:  # noqa: A002  # as above
        """Return what is known of a context without its items."""
        return context_object(self.store.get(id))

    def update(
        self,
        id: str,  # noqa: A002  # as above
        *,
        title: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        ttl_s: float | None = None,
    ) -> ContextObject:
        """Change title, metadata or life."""
        return context_object(self.store.update(id, title=title, metadata=metadata, ttl_s=ttl_s))

    def delete(self, id: str, *, if_version: int | None = None) -> None:  # noqa: A002  # as above
        """Remove a context."""
        self.store.delete(id, if_version=if_version)

    def items_page(self, id: str, start: int = 0, limit: int = 100) -> ItemsPage:  # noqa: A002  # as above
        """Return up to `limit` items; read from the disk no more than that."""
        if start < 0:
            start = max(self.store.get(id).head.items + start, 0)
        found = self.store.items(id, start, start + limit)
        head = found.info.head
        return ItemsPage(
            context=id,
            shape=_SHAPES[head.shape],
            version=head.version,
            start=found.start,
            total=head.items,
            items=tuple(_item(head.shape, body) for body in found.bodies),
        )

    def list_page(self, *, after: str = "", limit: int = 20, descending: bool = False) -> ListPage:
        """Return one page of contexts in the order of their ids."""
        page = self.store.list(after=after, limit=limit, descending=descending)
        contexts = tuple(context_object(info) for info in page.contexts)
        return ListPage(contexts=contexts, has_more=page.has_more)

    def process(
        self,
        id: str,  # noqa: A002  # as above
        *,
        ask: str,
        budget: Budget,
        stages: Sequence[str],
        markers: Markers,
        tokenizer: Tokenizer,
        model: str,
    ) -> dict[str, Any]:
        """Fold a context; returns the answer document."""
        from tierfold.wire import answer_body  # noqa: PLC0415  # pydantic: only where it is needed

        answer = self.store.fold(
            id,
            ask=ask,
            budget=budget,
            stages=stages,
            markers=markers,
            tokenizer=tokenizer,
            model=model,
        )
        return answer_body(answer)

    def handle(self, text: str) -> BroughtBack:
        """Return what a handle names."""
        return self.store.bring_back(text)

    def handle_page(self, text: str) -> HandlePage:
        """Return the first part of what a handle names."""
        page = self.store.bring_back_page(text)
        return HandlePage(value=page.value, next=page.next)

    def search(self, query: str, *, limit: int = 10) -> Found:
        """Find items by the words of a query, in what was just written too, if it is soon done.

        Nobody indexes what is left once this process ends.
        """
        found = self.store.search(query, limit=limit)
        until_s = time.monotonic() + _INDEXING_S_MAX
        while found.segments_waiting and time.monotonic() < until_s:
            time.sleep(_INDEXING_S_STEP)
            found = self.store.search(query, limit=limit)
        hits = tuple(
            SearchHit(
                context=hit.context,
                item=hit.item,
                score=hit.score,
                text=hit.text,
                handle=hit.handle,
            )
            for hit in found.hits
        )
        return Found(hits=hits, segments_waiting=found.segments_waiting)

    def tiers(self) -> dict[str, Any]:
        """Return what the tiers hold, per shard and in all."""
        reports = self.store.tiers()
        return {
            "shards": [_shard(index, report) for index, report in enumerate(reports)],
            "tiers": _totals(reports),
        }

    def prefetch(
        self,
        ids: Sequence[str],  # noqa: ARG002  # as callers say
        *,
        hint: HintName,  # noqa: ARG002  # likewise
        tokenizer: Tokenizer | None,  # noqa: ARG002  # likewise
        deadline_ms: float | None,  # noqa: ARG002  # likewise
    ) -> dict[str, Any]:
        """Refuse: what lies in this process's memory is gone when the command ends."""
        problem = (
            f"no server has {self.store.path} open, and what this command brought up would end "
            "with it: `tierfold up` starts one"
        )
        raise CallerError(problem)

    def storage(self, id: str) -> dict[str, Any]:  # noqa: A002  # as above
        """Return how a context is stored, and in which tiers its items are found now."""
        head = self.store.get(id).head
        pages = head.items // PAGE_NAMES
        return {
            "slot": ContextKey(self.store.tenant, id).slot,
            "chain": head.chain.hex(),
            "head_bytes": len(head.encode()),
            "tail": len(head.tail),
            "pages": pages,
            "branches": pages // BRANCH_PAGES,
            "keys_remembered": len(head.changes),
            "lies_in": self._lies_in(id, head.items),
        }

    def _lies_in(self, id: str, items: int) -> list[dict[str, Any]]:  # noqa: A002  # as above
        """Return runs of items and the tier that answers for them: one read per page, bounded."""
        runs: list[dict[str, Any]] = []
        step = max(PAGE_NAMES, -(-items // _READS_MAX))
        for start in range(0, items, step):
            tier = self.store.items(id, start, start + 1).tier
            stop = min(start + step, items)
            if runs and runs[-1]["tier"] == tier:
                runs[-1]["stop"] = stop
            else:
                runs.append({"tier": tier, "start": start, "stop": stop})
        return runs

    def close(self) -> None:
        """Close the store."""
        self.store.close()


def context_object(info: ContextInfo) -> ContextObject:
    """Return a context as a server describes it."""
    head = info.head
    return ContextObject(
        id=head.id,
        shape=_SHAPES[head.shape],
        version=head.version,
        items=head.items,
        size_bytes=head.size_bytes,
        title=info.about.title,
        metadata=info.about.metadata,
        created_at=head.created_ms / 1000,
        updated_at=head.updated_ms / 1000,
        expires_at=head.expires_ms / 1000 if head.expires_ms else None,
        pinned_until=head.pinned_until_ms / 1000 if head.pinned_until_ms else None,
    )


def _item(shape: StoredShape, body: bytes) -> Item:
    match shape:
        case StoredShape.MESSAGES:
            row: Item = json_of(body)
            return row
        case StoredShape.PARTS:
            part = part_of(body)
            return {"text": part.text} | ({"role": part.role} if part.role else {})
        case StoredShape.TEXT:
            return {"text": text_of(body)}


def _shard(index: int, report: TiersReport) -> dict[str, Any]:
    return {
        "shard": index,
        "tiers": [tier_body(tier) for tier in report.tiers],
        "contexts": report.contexts,
        "search_bytes": report.search_bytes,
        "unsealed_bytes": report.unsealed_bytes,
        "backlog": {"blocks": report.backlog_blocks, "contexts": report.backlog_contexts},
        "object_store": {"url": report.object_store, "problem": report.object_store_problem},
        "problem": report.upkeep_problem,
        "upkeep": [asdict(each) for each in report.passes],
        "choice": choice_body(report),
        "prefetch": prefetch_body(report),
    }


def _totals(reports: Iterable[TiersReport]) -> list[dict[str, Any]]:
    """Return sums over shards; a latency is the slowest shard's."""
    by_tier: dict[str, list[TierReport]] = {}
    for report in reports:
        for tier in report.tiers:
            by_tier.setdefault(tier.tier, []).append(tier)
    return [tier_body(_total(tiers)) for _, tiers in sorted(by_tier.items())]


def _total(tiers: Sequence[TierReport]) -> TierReport:
    limits = [tier.limit_bytes for tier in tiers if tier.limit_bytes is not None]
    return TierReport(
        tier=tiers[0].tier,
        size_bytes=sum(tier.size_bytes for tier in tiers),
        limit_bytes=sum(limits) if len(limits) == len(tiers) else None,
        items=sum(tier.items for tier in tiers),
        hits=sum(tier.hits for tier in tiers),
        latency_ms_p50=_slowest(tier.latency_ms_p50 for tier in tiers),
        latency_ms_p99=_slowest(tier.latency_ms_p99 for tier in tiers),
        misses=sum(tier.misses for tier in tiers),
        order=", ".join(dict.fromkeys(tier.order for tier in tiers if tier.order)),
        promotions=sum(tier.promotions for tier in tiers),
        demotions=sum(tier.demotions for tier in tiers),
        pinned_bytes=sum(tier.pinned_bytes for tier in tiers),
    )


def _slowest(latencies_ms: Iterable[float | None]) -> float | None:
    return max((ms for ms in latencies_ms if ms is not None), default=None)
