"""Segments that were just written: a query looks at them itself, so that it finds them at once."""

from collections.abc import Mapping
from dataclasses import dataclass

from tierfold.context.segment import Name
from tierfold.engine.shard.search.bodies import ItemBodies, context_of
from tierfold.engine.shard.search.keys import named_key
from tierfold.engine.shard.search.words import Counted, count_terms, text_in
from tierfold.errors import CorruptError, ObjectStoreError
from tierfold.ports import Family, KeyValues

SEGMENTS_MAX = 64  # that one query looks at
CHARACTERS_MAX = 1 << 20  # in all of them


@dataclass(frozen=True, slots=True, kw_only=True)
class Fresh:
    """What a query saw of the segments that wait."""

    counted: Counted
    texts: Mapping[Name, str]  # of what was counted, in that order
    gone: frozenset[Name]  # that no context needs any more
    looked_at: int


def look_at(
    values: KeyValues, bodies: ItemBodies, tenant: str, waiting: Mapping[Name, int]
) -> Fresh:
    """Read waiting segments that the index does not have, as far as that is quick."""
    texts: dict[Name, str] = {}
    gone: set[Name] = set()
    looked_at = characters = 0
    numbers = values.get_many(Family.SEARCH, [named_key(tenant, name) for name in waiting])
    for name, number in zip(waiting, numbers, strict=True):
        if context_of(values, tenant, name) is None:
            gone.add(name)
        elif number is None:
            text = read_text(bodies, tenant, name)
            if text is None or characters + len(text) > CHARACTERS_MAX:
                continue
            texts[name] = text
            characters += len(text)
        looked_at += 1
    counted = count_terms(list(texts.values()), tenant)
    return Fresh(counted=counted, texts=texts, gone=frozenset(gone), looked_at=looked_at)


def read_text(bodies: ItemBodies, tenant: str, name: Name) -> str | None:
    """Return an item's words; None for one that is gone, damaged, or out of reach."""
    try:
        return text_in(bodies.whole(tenant, name))
    except (CorruptError, ObjectStoreError):
        return None
