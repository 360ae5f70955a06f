"""`POST /v1/search`: words to look for in a tenant's contexts."""

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, StrictInt

from tierfold.config import Limits
from tierfold.wire.body import Json, load_json, unknown_fields, validate

QUERY_CHARACTERS_MAX = 1_000
HITS_MAX = 100


class SearchModel(BaseModel):
    """The body of `POST /v1/search`."""

    model_config = ConfigDict(extra="allow")

    query: str = Field(min_length=1, max_length=QUERY_CHARACTERS_MAX)
    limit: StrictInt = Field(default=10, ge=1, le=HITS_MAX)


class HitModel(BaseModel):
    """One item that was found."""

    context: str
    item: int
    score: float
    text: str = Field(description="the item's text, cut to what a person reads")
    handle: str = Field(description="brings the whole item back")


class SearchAnswerModel(BaseModel):
    """The answer of `POST /v1/search`, the best first."""

    object: Literal["list"] = "list"
    data: list[HitModel]
    segments_waiting: int = Field(description="written, but not in the index yet")
    ignored_fields: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedSearch:
    """What to look for."""

    query: str
    limit: int
    ignored_fields: tuple[str, ...]


def parse_search(body: bytes | Json, limits: Limits) -> ParsedSearch:
    """Return what to look for; raises InvalidInputError or TooLargeError."""
    value = load_json(body, limits) if isinstance(body, bytes) else body
    model = validate(SearchModel, value)
    return ParsedSearch(
        query=model.query, limit=model.limit, ignored_fields=tuple(unknown_fields(model))
    )
