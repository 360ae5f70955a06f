import pytest

from tierfold.errors import (
    BudgetTooSmallError,
    InvalidInputError,
    OverloadError,
    SetupError,
    TierfoldError,
    TooLargeError,
    UnauthorizedError,
    UnknownStageError,
    VersionConflictError,
)
from tierfold.wire import encode_event, problem_body


@pytest.mark.parametrize(
    ("error", "status", "more"),
    [
        (InvalidInputError("bad", path="a.b"), 422, {"path": "a.b"}),
        (InvalidInputError("bad"), 422, {}),
        (
            BudgetTooSmallError(resource="max_tokens", asked=5, minimum=26),
            422,
            {"minimum": 26, "resource": "max_tokens"},
        ),
        (UnknownStageError("warp", known=("fast",)), 422, {"stages": ["fast"]}),
        (TooLargeError(what="body", size=2, limit=1), 413, {}),
        (UnauthorizedError(), 401, {}),
        (OverloadError(retry_after_s=2), 503, {}),
        (SetupError("no ray"), 500, {}),
        (VersionConflictError("trip", asked=1, current=2), 412, {"current_version": 2}),
    ],
)
def test_every_error_has_a_problem_document(
    error: TierfoldError, status: int, more: dict[str, object]
) -> None:
    """Type, title, status, detail, code and request id, and what the error knows besides."""
    body = problem_body(error, request_id="r1")

    assert status == body["status"]
    assert str(error) == body["detail"]
    assert body["request_id"] == "r1"
    assert more == {key: value for key, value in body.items() if key in more}
    assert {"type", "title", "code"} <= body.keys()


def test_an_event_is_one_line_of_data() -> None:
    """Line breaks inside a text must not end the event."""
    event = encode_event("stage", {"text": "a\nb"}, event_id="1")

    assert event == b'event: stage\nid: 1\ndata: {"text":"a\\nb"}\n\n'
