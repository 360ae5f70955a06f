"""Every error tierfold raises on purpose.

TierfoldError
├── CallerError            the request is at fault; repeating it unchanged cannot help
│   ├── InvalidInputError      a value is malformed; says where and what would be right
│   ├── BudgetTooSmallError    what must be kept does not fit; carries the minimum
│   ├── UnknownStageError      a pinned stage does not exist; lists those that do
│   ├── TooLargeError          a limit of size, count or depth is passed
│   ├── UnauthorizedError      no key, or one that nobody has
│   ├── ForeignHostError       a server without keys was called by another name than this machine's
│   ├── UnknownContextError    no stored context has this id, or it has expired
│   ├── UnknownHandleError     nothing stored has this handle any more
│   │   └── MalformedHandleError   it never was a handle
│   ├── ContextExistsError     a context with this id is there already
│   ├── VersionConflictError   the context has another version; carries the current one
│   ├── KeyReusedError         the idempotency key came with another request before
│   ├── KeyInFlightError       the same change is being made at this moment
│   ├── UnknownBackupError     the object store has no backup of this id for the tenant
│   ├── BackupBusyError        something else is being done with the tenant's backups just now
│   ├── RestoreConflictError   contexts of other contents stand where a backup's would go
│   └── PinBudgetError         no more can be pinned in memory for now; says how much could
├── OverloadError          we are at fault, for now; try again after `retry_after_s`
│   └── ShardUnavailableError  the shard that holds the context does not answer
├── StorageFullError       the disk takes nothing more; what is stored can still be read
├── CorruptError           a stored value is not what was written; names it
│   └── MissingDictionaryError the dictionary it was packed with is not here; carries its id
├── ObjectStoreError       the object store does not answer or refuses us
└── SetupError             this machine or installation lacks something; says how to mend it
    ├── ServerUnreachableError no server answers at the URL; says how to start one
    ├── StoreLockedError       another process has the store open; carries its address
    └── FormatTooNewError      the store was written by a newer tierfold
"""

from typing import Any


class TierfoldError(Exception):
    """Something tierfold foresaw went wrong; travels between processes with all it carries."""

    title = "tierfold error"
    status = 500

    def __reduce__(self) -> tuple[Any, ...]:
        """Say how to rebuild it: constructors take what they like, pickle would call them."""
        return _rebuilt, (type(self), self.args, self.__dict__)


def _rebuilt(kind: type[TierfoldError], args: tuple[Any, ...], state: dict[str, Any]) -> Any:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(state)
    return error


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


class ForeignHostError(CallerError):
    """A server that asks for no key was called under a name that is not this machine's own.

    A web page can make a browser call this machine; it would come with the page's name.
    """

    title = "foreign host"
    status = 403

    def __init__(self, header: str) -> None:
        super().__init__(
            f"without API keys only this machine is answered, and {header} names another: "
            "call 127.0.0.1 or localhost, or set up keys (TIERFOLD_API_KEYS_FILE)"
        )


class UnknownContextError(CallerError):
    """No stored context has this id."""

    title = "unknown context"
    status = 404

    def __init__(self, context: str) -> None:
        super().__init__(f"there is no context {context!r}: create it first, or it has expired")
        self.context = context


class UnknownHandleError(CallerError):
    """Nothing stored has this handle: the context was deleted or written anew."""

    title = "unknown handle"
    status = 404

    def __init__(self, handle: str) -> None:
        super().__init__(
            f"nothing stored has the handle {handle!r}: its context was deleted or written anew"
        )
        self.handle = handle


class MalformedHandleError(UnknownHandleError):
    """It never was a handle."""

    title = "malformed handle"
    status = 422

    def __init__(self, handle: str) -> None:
        super().__init__(handle)
        problem = (
            f"{handle!r} is no handle: they begin with h_ and are copied whole, from the "
            "`left_out` of an answer, a marker or a search hit"
        )
        self.args = (problem,)


class ContextExistsError(CallerError):
    """A context with this id is there already."""

    title = "context exists"
    status = 409

    def __init__(self, context: str) -> None:
        super().__init__(f"context {context!r} exists: append to it, or create one without an id")
        self.context = context


class VersionConflictError(CallerError):
    """The context is not at the version the caller named."""

    title = "version conflict"
    status = 412

    def __init__(self, context: str, *, asked: int, current: int) -> None:
        super().__init__(
            f"context {context!r} is at version {current}, not {asked}: read it and try again"
        )
        self.context = context
        self.asked = asked
        self.current = current


class KeyReusedError(CallerError):
    """The idempotency key was used for another request."""

    title = "idempotency key reused"
    status = 422

    def __init__(self) -> None:
        super().__init__(
            "this idempotency key came with another request before: use a fresh key for each change"
        )


class KeyInFlightError(CallerError):
    """The same change is being made at this moment."""

    title = "idempotency key in flight"
    status = 409

    def __init__(self) -> None:
        super().__init__("a request with this idempotency key is under way: ask again in a moment")


class UnknownBackupError(CallerError):
    """There is no backup of this id."""

    title = "unknown backup"
    status = 404

    def __init__(self, backup: str, *, tenant: str) -> None:
        super().__init__(
            f"there is no backup {backup!r} of tenant {tenant!r}: list those there are"
        )
        self.backup = backup


class BackupBusyError(CallerError):
    """Something else is being done with the tenant's backups."""

    title = "backup busy"
    status = 409


class RestoreConflictError(CallerError):
    """Contexts with other contents have the ids of contexts to restore."""

    title = "restore conflict"
    status = 409

    def __init__(self, *, contexts: int, example: str) -> None:
        super().__init__(
            f"nothing was restored: contexts with other contents exist already: {contexts:,}, one "
            f"is {example!r}; skip or replace them, or restore only some"
        )
        self.contexts = contexts
        self.example = example


class PinBudgetError(CallerError):
    """What is to be pinned does not fit beside what is pinned already."""

    title = "pin budget used up"
    status = 409

    def __init__(self, *, asked_bytes: int, free_bytes: int) -> None:
        super().__init__(
            f"pinning {asked_bytes:,} bytes is refused, {free_bytes:,} can be pinned at most now: "
            "pin less, end other pins, or wait until some have expired"
        )
        self.asked_bytes = asked_bytes
        self.free_bytes = free_bytes


class OverloadError(TierfoldError):
    """More work waits than can be done in time."""

    title = "overloaded"
    status = 503

    def __init__(self, *, retry_after_s: int) -> None:
        super().__init__(
            f"more requests wait than can be served in time: retry in {retry_after_s} s"
        )
        self.retry_after_s = retry_after_s


class ShardUnavailableError(OverloadError):
    """The shard that holds the context does not answer."""

    title = "shard unavailable"

    def __init__(self, *, retry_after_s: int = 1) -> None:
        super().__init__(retry_after_s=retry_after_s)
        self.args = (f"the shard of this context does not answer: retry in {retry_after_s} s",)


class StorageFullError(TierfoldError):
    """The disk takes nothing more."""

    title = "storage full"
    status = 507

    def __init__(
        self, where: str, *, free_bytes: int | None = None, floor_bytes: int | None = None
    ) -> None:
        state, way_out = "is full", "free disk space or delete contexts"
        if free_bytes is not None and floor_bytes is not None:
            state = f"is full ({free_bytes:,} bytes are free, and the floor is {floor_bytes:,})"
            way_out += ", or lower the floor (the setting `tiers.free_disk_bytes_min`)"
        super().__init__(
            f"{where} {state}: nothing of this change was stored, and all before it can be read; "
            f"{way_out}"
        )


class CorruptError(TierfoldError):
    """A stored value is not what was written."""

    title = "stored value damaged"
    status = 500
    _mend = "`tierfold doctor --store` lists all that is damaged"

    def __init__(self, *, what: str, problem: str, key: bytes | None = None) -> None:
        super().__init__(f"{what}: {problem}; {self._mend}")
        self.what = what
        self.problem = problem
        self.key = key  # of the value in its family, where a `KeyValues` found it damaged


class UnopenableError(CorruptError):
    """A database is so damaged that it does not open."""

    _mend = (
        "`tierfold doctor --store` says what can be saved, with --repair it saves that and "
        "deletes nothing"
    )


class MissingDictionaryError(CorruptError):
    """A stored value was packed with a dictionary that is not here."""

    title = "dictionary missing"

    def __init__(self, *, what: str, dictionary: bytes) -> None:
        super().__init__(
            what=what, problem=f"it needs the dictionary {dictionary.hex()}, which is not here"
        )
        self.dictionary = dictionary


class ObjectStoreError(TierfoldError):
    """The object store does not answer or refuses us."""

    title = "object store unavailable"
    status = 503

    def __init__(self, *, url: str, problem: str, is_silent: bool = False) -> None:
        super().__init__(f"object store {url}: {problem}")
        self.url = url
        self.is_silent = is_silent  # there was no answer in time: others would wait as long


class SetupError(TierfoldError):
    """The installation or the machine lacks something."""

    title = "setup incomplete"
    status = 500


class ServerUnreachableError(SetupError):
    """No server answers at a URL, or not in time."""

    title = "server unreachable"

    def __init__(self, url: str, *, problem: str, is_late: bool = False) -> None:
        way_out = (
            "it may be at it still; wait longer, or ask for less"
            if is_late
            else "`tierfold up` starts one on this machine"
        )
        super().__init__(f"no server answers at {url} ({problem}): {way_out}")
        self.url = url


class StoreLockedError(SetupError):
    """Another process has the store open."""

    title = "store in use"

    def __init__(self, path: str, *, pid: int, url: str | None) -> None:
        talk = f"talk to it at {url}" if url else "close it there first"
        super().__init__(f"{path} is open in process {pid}: {talk}")
        self.path = path
        self.pid = pid
        self.url = url


class FormatTooNewError(SetupError):
    """The store was written by a newer tierfold."""

    title = "store is newer"

    def __init__(self, *, what: str, found: int, known: int) -> None:
        super().__init__(
            f"{what} has format {found}, and this tierfold knows {known}: install a newer one"
        )
        self.found = found
        self.known = known
