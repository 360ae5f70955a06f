"""Problem documents become the errors they were."""

import json

import pytest

from tests.unit.client.fake_server import problem
from tierfold import errors
from tierfold.client.problems import error_of

ERRORS: list[errors.TierfoldError] = [
    errors.InvalidInputError("is no number", path="budget.max_tokens"),
    errors.BudgetTooSmallError(resource="max_tokens", asked=5, minimum=12),
    errors.UnknownStageError("slow", known=("fast", "balanced")),
    errors.TooLargeError("bytes of item 3", size=104_857_600, limit=33_554_432),
    errors.UnknownContextError("trip"),
    errors.UnknownHandleError("h_x"),
    errors.ContextExistsError("trip"),
    errors.VersionConflictError("trip", asked=2, current=7),
    errors.KeyReusedError(),
    errors.KeyInFlightError(),
    errors.OverloadError(retry_after_s=4),
    errors.ShardUnavailableError(retry_after_s=4),
    errors.StorageFullError("the disk"),
]
ABOUT = {
    "context": "trip",
    "handle": "h_x",
    "if_version": 2,
    "budget": {"max_tokens": 5},
    "stages": ("fast", "slow"),
}


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_comes_through_whole(error: errors.TierfoldError) -> None:
    """Kind, words and everything it carries are what a store in this process would raise."""
    reply = problem(error, **{"retry-after": "4"})

    came = error_of(reply.status_code, reply.headers, reply.content, ABOUT)

    assert type(came) is type(error)
    assert str(came) == str(error)
    assert {**vars(error), "status": error.status} == vars(came)


def test_damage_and_outages_keep_their_words() -> None:
    """What only the server knows stands in the sentence."""
    damaged = errors.CorruptError(what="a block", problem="checksum")
    lost = errors.MissingDictionaryError(what="a block", dictionary=b"\x01")
    away = errors.ObjectStoreError(url="s3://b", problem="no answer")

    for error in (damaged, lost, away):
        reply = problem(error)
        came = error_of(reply.status_code, {}, reply.content, {})
        assert type(came) is type(error)
        assert str(came) == str(error)


def test_a_refused_key_names_the_variable() -> None:
    """Who reads it uses the client, not the header."""
    reply = problem(errors.UnauthorizedError())
    came = error_of(401, {}, reply.content, {})

    assert isinstance(came, errors.UnauthorizedError)
    assert "TIERFOLD_API_KEY" in str(came)


@pytest.mark.parametrize(
    ("status", "kind"), [(418, errors.CallerError), (500, errors.TierfoldError)]
)
@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b'{"code": "of_later"}'])
def test_an_unknown_refusal_keeps_whose_fault_it_was(
    status: int, kind: type[errors.TierfoldError], body: bytes
) -> None:
    """A server of later or a proxy may say what this client never heard of."""
    came = error_of(status, {}, body, {})

    assert type(came) is kind
    assert (came.status, str(status) in str(came)) == (status, True)


def test_a_conflict_takes_its_version_from_the_tag_where_the_document_has_none() -> None:
    """Both carry it; either alone is enough."""
    body = json.dumps({"code": "version_conflict", "detail": "x"}).encode()
    for tag, current in (('"9"', 9), ("odd", 0)):
        came = error_of(412, {"etag": tag}, body, {})
        assert isinstance(came, errors.VersionConflictError)
        assert came.current == current
