"""Problem documents (RFC 9457)."""

from typing import Any

from tierfold.errors import (
    BudgetTooSmallError,
    InvalidInputError,
    TierfoldError,
    UnknownStageError,
    VersionConflictError,
)

PROBLEM_MEDIA_TYPE = "application/problem+json"


def problem_body(error: TierfoldError, *, request_id: str) -> dict[str, Any]:
    """Return what went wrong, whose fault it was and what to do."""
    slug = error.title.replace(" ", "-")
    body: dict[str, Any] = {
        "type": f"urn:tierfold:problem:{slug}",
        "title": error.title,
        "status": error.status,
        "detail": str(error),
        "code": slug.replace("-", "_"),
        "request_id": request_id,
    }
    return body | _particulars(error)


def _particulars(error: TierfoldError) -> dict[str, Any]:
    match error:
        case BudgetTooSmallError(resource=resource, minimum=minimum):
            return {"resource": resource, "minimum": minimum}
        case UnknownStageError(known=known):
            return {"stages": list(known)}
        case VersionConflictError(current=current):
            return {"current_version": current}
        case InvalidInputError(path=path) if path:
            return {"path": path}
        case _:
            return {}
