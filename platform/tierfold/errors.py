"""Every error tierfold raises on purpose.

TierfoldError
├── CallerError            the request is at fault; repeating it unchanged cannot help
│   ├── InvalidInputError      a value is malformed; says where and what would be right
│   ├── BudgetTooSmallError    what must be kept does not fit; carries the minimum
│   ├── UnknownStageError      a pinned stage does not exist; lists those that do
│   ├── TooLargeError          a limit of size, count or depth is passed
│   └── UnauthorizedError      no key, or one that nobody has
├── OverloadError          we are at fault, for now; try again after `retry_after_s`
└── SetupError             this machine or installation lacks something; says how to mend it
"""


class TierfoldError(Exception):
    """Something tierfold foresaw went wrong."""

    title = "tierfold error"
    status = 500


class CallerError(TierfoldError):
    """The request cannot be served as it stands."""

    title = "request refused"
    status = 400


class InvalidInputError(CallerError):
    """A value in the request is malformed."""

    title = "invalid input"
    status = 422

    def __init__(self, problem: str, *, path: str = "") -> None:
        super().__init__(f"{path}: {problem}" if path else problem)
        self.path = path  # dotted path of the value in the caller's own request


class BudgetTooSmallError(CallerError):
    """What must be kept is larger than the budget."""

    title = "budget too small"
    status = 422

    def __init__(self, *, resource: str, asked: float, minimum: float) -> None:
        needed = _digits(minimum)
        super().__init__(
            f"budget.{resource} is {_digits(asked)}, but what must be kept needs {needed}: "
            f"raise the budget to at least {needed}, or pin less"
        )
        self.resource = resource
        self.asked = asked
        self.minimum = minimum


def _digits(value: float) -> str:
    """Return a number as the caller would type it back: whole, without an exponent."""
    return f"{value:.0f}" if value == int(value) else f"{value}"


class UnknownStageError(CallerError):
    """A pinned stage does not exist here."""

    title = "unknown stage"
    status = 422

    def __init__(self, stage: str, *, known: tuple[str, ...]) -> None:
        super().__init__(f"there is no stage {stage!r}; pin one of: {', '.join(known)}")
        self.stage = stage
        self.known = known


class TooLargeError(CallerError):
    """The request passes a limit of size, count or depth."""

    title = "too large"
    status = 413

    def __init__(self, what: str, *, size: int, limit: int) -> None:
        super().__init__(f"{what}: {size:,} is more than the limit of {limit:,}")
        self.size = size
        self.limit = limit


class UnauthorizedError(CallerError):
    """No API key, or an unknown one: send `Authorization: Bearer <key>`."""

    title = "unauthorized"
    status = 401

    def __init__(self) -> None:
        super().__init__("no valid API key: send `Authorization: Bearer <key>`")


class OverloadError(TierfoldError):
    """More work waits than can be done in time."""

    title = "overloaded"
    status = 503

    def __init__(self, *, retry_after_s: int) -> None:
        super().__init__(
            f"more requests wait than can be served in time: retry in {retry_after_s} s"
        )
        self.retry_after_s = retry_after_s


class SetupError(TierfoldError):
    """The installation or the machine lacks something."""

    title = "setup incomplete"
    status = 500
