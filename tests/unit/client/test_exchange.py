"""When a request is sent again: decided without a network."""

import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierfold.client.calls import Call, Contents, Question, append, delete, process, tiers, update
from tierfold.client.exchange import Lost, Reply, Retries, exchange

RETRIES = Retries(tries_max=4, wait_s_first=0.1, wait_s_max=5.0)
SENT = Lost(problem="no reply in time", was_sent=True)
REFUSED = Lost(problem="connection refused", was_sent=False)
BUSY = Reply(status=503, headers={"retry-after": "2"})
AWAY = Reply(status=503, headers={"retry-after": "1"}, body=b'{"code": "shard_unavailable"}')

REPLIES = st.one_of(
    st.builds(Lost, problem=st.just("x"), was_sent=st.booleans()),
    st.builds(
        Reply,
        status=st.sampled_from([200, 404, 409, 412, 429, 502, 503, 504]),
        headers=st.sampled_from([{}, {"retry-after": "1"}, {"retry-after": "soon"}]),
    ),
)


def played(
    call: Call, came: Sequence[Reply | Lost], retries: Retries = RETRIES
) -> tuple[list[float], Reply | Lost]:
    steps = exchange(call, retries, random.Random(1))
    waits = [next(steps)]
    for each in came:
        try:
            waits.append(steps.send(each))
        except StopIteration as end:
            return waits, end.value
    raise AssertionError(waits)


@given(st.lists(REPLIES, min_size=6, max_size=6), st.integers(0, 3))
def test_tries_and_waits_are_bounded(came: list[Reply | Lost], seed: int) -> None:
    """Whatever comes, it ends after so many tries and no wait is longer than allowed."""
    call = (tiers(), delete("c", if_version=seed))[seed % 2]
    waits, last = played(call, came)

    assert len(waits) <= RETRIES.tries_max
    assert waits[0] == 0
    assert all(0 < wait <= RETRIES.wait_s_max for wait in waits[1:])
    assert last in came or last == Reply(status=200, body=b"{}")


def test_waits_double_and_what_the_server_asks_for_is_honoured() -> None:
    """Our own patience grows; the server's word is the least we wait."""
    waits, _ = played(tiers(), [REFUSED, REFUSED, BUSY, SENT])

    assert 0.05 <= waits[1] <= 0.1
    assert 0.1 <= waits[2] <= 0.2
    assert waits[3] == 2


@pytest.mark.parametrize(
    "reply",
    [
        Reply(status=503, headers={"retry-after": "60"}),
        Reply(status=503),
        Reply(status=409, body=b'{"code": "context_exists"}'),
        Reply(status=412),
    ],
)
def test_what_cannot_help_is_not_tried(reply: Reply) -> None:
    """A long outage, a store that is not set up and a refusal are told at once."""
    assert played(tiers(), [reply]) == ([0], reply)


def test_a_question_that_takes_too_long_is_not_asked_again() -> None:
    """The server may be at it still, and would have it twice; one that was lost is asked again."""
    question = process("c", Question(ask="?"), version_seen=0)
    late = Lost(problem="no reply in time", was_sent=True, is_late=True)

    assert played(question, [late])[1] == late
    assert played(question, [SENT, REFUSED, Reply(status=200)])[1] == Reply(status=200)
    assert played(tiers(), [late, Reply(status=200)])[1] == Reply(status=200)


def test_what_may_not_be_done_twice_is_sent_once() -> None:
    """Unless it certainly never reached the server."""
    call = Call(method="POST", path="/", is_repeatable=False)

    assert played(call, [SENT])[1] == SENT
    assert len(played(call, [REFUSED, SENT])[0]) == 2
    assert played(call, [AWAY])[1] == AWAY
    assert len(played(call, [BUSY, Reply(status=404)])[0]) == 2


def test_a_conditional_patch_is_safe_under_its_key() -> None:
    """Without one its second try would meet the version the first one made."""
    call = update(
        "c",
        title="t",
        metadata=None,
        ttl_s=None,
        pinned_s=None,
        if_version=3,
        idempotency_key="k",
    )

    assert call.headers == {"idempotency-key": "k", "if-match": '"3"'}
    assert played(call, [SENT, AWAY, Reply(status=200)])[1] == Reply(status=200)


def test_a_deletion_whose_reply_was_lost_is_done() -> None:
    """When the next try finds nothing any more."""
    gone = Reply(status=404)

    assert played(delete("c", if_version=None), [AWAY, gone])[1] == Reply(status=200, body=b"{}")
    assert played(delete("c", if_version=None), [BUSY, gone])[1] == gone


def test_a_conditional_append_is_safe_under_its_key() -> None:
    """The key makes the second try the first one."""
    call = append("c", Contents(text="x"), if_version=3, idempotency_key="k")

    assert call.headers == {"idempotency-key": "k", "if-match": '"3"'}
    assert played(call, [SENT, Reply(status=200)])[1] == Reply(status=200)
