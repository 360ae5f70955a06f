"""The verb `prefetch`: say that contexts will be asked soon, so that they are up by then."""

from collections.abc import Generator, Sequence
from typing import Any, Literal, get_args

from tierfold.context import Tokenizer
from tierfold.context.identity import ContextKey
from tierfold.engine.shard.operations import Prefetch, Prefetched
from tierfold.engine.steps import Ask, AskAll, Step
from tierfold.errors import InvalidInputError, TooLargeError, UnknownContextError
from tierfold.memory.prefetch import Evidence, SkipReason

HintName = Literal["asked", "session_opened", "tool_call_pending"]

CONTEXTS_MAX = 100  # in one call
DEADLINE_MS_MAX = 600_000.0  # a hint that counts for longer is none

_HINTS: tuple[HintName, ...] = get_args(HintName)
_TOKENIZERS: tuple[Tokenizer, ...] = get_args(Tokenizer)


def prefetch(
    keys: Sequence[ContextKey],
    *,
    hint: HintName = "asked",
    tokenizer: Tokenizer | None = None,
    deadline_ms: float | None = None,
) -> Generator[Step, Any, Prefetched]:
    """Say that contexts will be asked; the answer says which are brought up, and why some are not.

    Returns before anything is: that happens in the background, and waits for nobody's question.
    """
    wanted = tuple(dict.fromkeys(keys))
    if not wanted:
        problem = "name at least one context"
        raise InvalidInputError(problem, path="contexts")
    if len(wanted) > CONTEXTS_MAX:
        raise TooLargeError(what="contexts in one call", size=len(wanted), limit=CONTEXTS_MAX)
    operation = Prefetch(
        contexts=wanted,
        evidence=_evidence(hint),
        tokenizer=_known(tokenizer),
        deadline_ms=_deadline_ms(deadline_ms),
    )
    if len(wanted) == 1:
        answer: Prefetched = yield Ask(wanted[0].slot, operation)
        return answer
    answers: list[Prefetched] = yield AskAll(operation)
    return _merged(wanted, answers)


def prefetch_one(
    key: ContextKey,
    *,
    hint: HintName = "asked",
    tokenizer: Tokenizer | None = None,
    deadline_ms: float | None = None,
) -> Generator[Step, Any, Prefetched]:
    """Say that one context will be asked; raises UnknownContextError where there is none."""
    answer = yield from prefetch([key], hint=hint, tokenizer=tokenizer, deadline_ms=deadline_ms)
    if any(each.reason is SkipReason.UNKNOWN for each in answer.skipped):
        raise UnknownContextError(key.id)
    return answer


def prefetch_of(
    tenant: str,
    ids: str | Sequence[str],
    *,
    hint: HintName = "asked",
    tokenizer: Tokenizer | None = None,
    deadline_ms: float | None = None,
) -> Generator[Step, Any, Prefetched]:
    """Say that one context will be asked, or several; see `prefetch_one` and `prefetch`."""
    if isinstance(ids, str):
        key = ContextKey(tenant, ids)
        return prefetch_one(key, hint=hint, tokenizer=tokenizer, deadline_ms=deadline_ms)
    keys = [ContextKey(tenant, id_) for id_ in ids]
    return prefetch(keys, hint=hint, tokenizer=tokenizer, deadline_ms=deadline_ms)


def prefetched_body(answer: Prefetched, *, ignored_fields: Sequence[str] = ()) -> dict[str, Any]:
    """Return what becomes of hints, as a document."""
    return {
        "object": "prefetch",
        "accepted": list(answer.accepted),
        "ready": list(answer.ready),
        "skipped": [{"context": each.id, "reason": str(each.reason)} for each in answer.skipped],
        "ignored_fields": list(ignored_fields),
    }


def _merged(keys: Sequence[ContextKey], answers: Sequence[Prefetched]) -> Prefetched:
    """Return the answers of all shards as one: a context is unknown but in its home."""
    accepted = {id_ for answer in answers for id_ in answer.accepted}
    ready = {id_ for answer in answers for id_ in answer.ready}
    skipped = {each.id: each for answer in answers for each in answer.skipped}
    skipped |= {
        each.id: each
        for answer in answers
        for each in answer.skipped
        if each.reason is not SkipReason.UNKNOWN
    }
    ids = [key.id for key in keys]
    return Prefetched(
        accepted=tuple(id_ for id_ in ids if id_ in accepted),
        ready=tuple(id_ for id_ in ids if id_ in ready),
        skipped=tuple(skipped[id_] for id_ in ids if id_ not in accepted),
    )


def _evidence(hint: str) -> Evidence:
    if hint not in _HINTS:
        problem = f"must be one of {', '.join(_HINTS)}, not {hint!r}"
        raise InvalidInputError(problem, path="hint")
    return Evidence(hint)


def _known(tokenizer: Tokenizer | None) -> Tokenizer | None:
    if tokenizer is not None and tokenizer not in _TOKENIZERS:
        problem = f"must be one of {', '.join(_TOKENIZERS)}, not {tokenizer!r}"
        raise InvalidInputError(problem, path="tokenizer")
    return tokenizer


def _deadline_ms(given: float | None) -> float | None:
    if given is not None and not 0 < given <= DEADLINE_MS_MAX:
        problem = f"must be above 0 and at most {DEADLINE_MS_MAX:,.0f} milliseconds, not {given!r}"
        raise InvalidInputError(problem, path="deadline_ms")
    return given
