"""Errors as documents: RFC 9457 on our routes, OpenAI's error object on OpenAI-shaped ones."""

from typing import Any

import orjson

from tierfold.errors import (
    CallerError,
    InvalidInputError,
    OverloadError,
    TierfoldError,
    VersionConflictError,
)
from tierfold.wire import PROBLEM_MEDIA_TYPE, problem_body

_SERVER_ERROR = 500


class InternalError(TierfoldError):
    """A bug of ours; the log has its place under the request id."""

    title = "internal error"
    status = 500

    def __init__(self) -> None:
        super().__init__("tierfold failed; report the request_id and repeat the request once")


class WorkerLostError(TierfoldError):
    """The process that works on large bodies died, most likely for want of memory."""

    title = "worker lost"
    status = 503

    def __init__(self) -> None:
        super().__init__("the process working on this large body died: send less, or retry")


class NoStoreError(TierfoldError):
    """The server was started without a store."""

    title = "no store"
    status = 503

    def __init__(self) -> None:
        super().__init__("no store is set up: start with --store")


class RouteError(CallerError):
    """No such path, or not with this method."""

    def __init__(self, *, status: int, title: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.title = title


def problem_reply_body(
    error: TierfoldError, *, request_id: str, is_openai_shaped: bool
) -> tuple[str, dict[str, str], bytes]:
    """Return media type, headers and body of the error's document."""
    headers = {}
    if isinstance(error, VersionConflictError):
        headers["etag"] = f'"{error.current}"'
    if isinstance(error, OverloadError):
        headers["retry-after"] = str(error.retry_after_s)
    if isinstance(error, WorkerLostError):
        headers["retry-after"] = "1"
    if error.status == 401:  # noqa: PLR2004  # RFC 9110 wants the challenge with it
        headers["www-authenticate"] = "Bearer"
    if is_openai_shaped:
        return "application/json", headers, orjson.dumps(_openai_body(error))
    return PROBLEM_MEDIA_TYPE, headers, orjson.dumps(problem_body(error, request_id=request_id))


def _openai_body(error: TierfoldError) -> dict[str, Any]:
    kind = "server_error" if error.status >= _SERVER_ERROR else "invalid_request_error"
    parameter = error.path if isinstance(error, InvalidInputError) and error.path else None
    return {
        "error": {
            "message": str(error),
            "type": "authentication_error" if error.status == 401 else kind,  # noqa: PLR2004
            "param": parameter,
            "code": error.title.replace(" ", "_"),
        }
    }
