"""Users of tierfold as Locust sees them: chats that grow, documents, and a probe for health.

Speaks HTTP only and shares nothing with the server. `make load` starts both; or, by hand:

    locust -f loadtests/locustfile.py --host http://127.0.0.1:8000
"""

import itertools
import os
import random
from http import HTTPStatus
from typing import Any

from locust import FastHttpUser, between, events, task
from locust.contrib.fasthttp import ResponseContextManager
from locust.env import Environment

DEADLINE_MS = 50
TOKENS_MAX = 800
ROWS_MAX = 60  # then the conversation is over and a new one begins
STOP_REASONS = {"target_quality", "deadline", "no_gain", "last_stage", "fits_already"}
# The promise is 1 %; Locust takes its share of the very cores it measures.
MISSED_SHARE_MAX = float(os.environ.get("TIERFOLD_LOAD_MISSED_SHARE_MAX", "0.05"))
API_KEY = os.environ.get("TIERFOLD_API_KEY", "")

SUBJECTS = ["the reservoir", "the northern gate", "pump seven", "the night shift", "the ledger"]
VERBS = ["holds", "reports", "needs", "loses", "measures", "replaces", "delays"]
OBJECTS = ["forty litres", "a new seal", "the pressure", "two spare valves", "the weekly count"]
TAILS = ["before noon", "without a warning", "since the storm", "when the level falls", "every day"]

_seeds = itertools.count(1)  # one per user: the same run sends the same bytes


class DeadlineMissedError(Exception):
    """The server's own clock says that the answer took longer than the budget allowed."""


def sentence(dice: random.Random) -> str:
    """Return one plain sentence with a number in it, so that sentences differ."""
    words = [dice.choice(pool) for pool in (SUBJECTS, VERBS, OBJECTS, TAILS)]
    return f"{' '.join(words).capitalize()}, entry {dice.randrange(10_000)}."


def paragraph(dice: random.Random, sentences: int) -> str:
    """Return several sentences."""
    return " ".join(sentence(dice) for _ in range(sentences))


def question(dice: random.Random) -> str:
    """Return a question that shares words with some of the sentences."""
    return f"What {dice.choice(VERBS)} {dice.choice(SUBJECTS)} {dice.choice(TAILS)}?"


def process_body(ask: str, source: dict[str, Any]) -> dict[str, Any]:
    """Return the body of POST /v1/process."""
    budget = {"max_tokens": TOKENS_MAX, "latency_ms": DEADLINE_MS}
    return {"ask": ask, "sources": [source], "budget": budget}


def process_fault(answer: dict[str, Any]) -> str | None:
    """Return what is wrong with an answer, or None."""
    if answer.get("final") is not True:
        return "the answer is not final"
    if answer["usage"]["prompt_tokens"] > TOKENS_MAX:
        return f"{answer['usage']['prompt_tokens']} tokens, budget {TOKENS_MAX}"
    if answer["stop_reason"] not in STOP_REASONS:
        return f"unknown stop_reason {answer['stop_reason']!r}"
    return None


def compress_fault(answer: dict[str, Any], rows: int) -> str | None:
    """Return what is wrong with an answer, or None."""
    if len(answer["messages"]) != rows:
        return f"{rows} rows went in, {len(answer['messages'])} came out"
    if answer["tokens_after"] > TOKENS_MAX and not answer["compression_skipped"]:
        return f"{answer['tokens_after']} tokens, budget {TOKENS_MAX}"
    return None


class TierfoldUser(FastHttpUser):
    """What all users do: send, judge the answer, report its stages."""

    abstract = True
    wait_time = between(0.05, 0.2)
    network_timeout = 30.0
    connection_timeout = 30.0

    def on_start(self) -> None:
        """Take a seed and an identity."""
        seed = next(_seeds)
        self.dice = random.Random(seed)
        self.fresh_session(seed)

    def fresh_session(self, number: int) -> None:
        """Take another session id: requests of one session go to one replica."""
        self.headers = {"x-session-id": f"load-{number}"}
        if API_KEY:
            self.headers["Authorization"] = f"Bearer {API_KEY}"

    def process(self, name: str, body: dict[str, Any]) -> None:
        """Send one question and judge the answer."""
        with self.post("/v1/process", name, body) as response:
            answer = self.answer(response)
            if answer is None:
                return
            fault = process_fault(answer)
            if fault:
                response.failure(fault)
                return
        self.report(name, answer)

    def post(self, path: str, name: str, body: dict[str, Any]) -> ResponseContextManager:
        """Open a request whose outcome the caller decides."""
        return self.client.post(
            path, json=body, headers=self.headers, name=f"{path} {name}", catch_response=True
        )

    def answer(self, response: ResponseContextManager) -> dict[str, Any] | None:
        """Return the body of a 200; anything else is a failure with its beginning shown."""
        if response.status_code == HTTPStatus.OK:
            found: dict[str, Any] = response.json()
            return found
        response.failure(f"{response.status_code}: {(response.text or '')[:200]}")
        return None

    def report(self, name: str, answer: dict[str, Any]) -> None:
        """Put the server's own clock beside Locust's: the deadline, and what each stage took."""
        timing = answer["timing"]
        missed = timing["total_ms"] > DEADLINE_MS
        self.fire("DEADLINE", f"{name} {DEADLINE_MS} ms", timing["total_ms"], missed=missed)
        for stage in timing["stages"]:
            self.fire("STAGE", stage["stage"], stage["ms"])

    def fire(self, kind: str, name: str, ms: float, *, missed: bool = False) -> None:
        """Record a figure that is no request of its own."""
        self.environment.events.request.fire(
            request_type=kind,
            name=name,
            response_time=ms,
            response_length=0,
            context={},
            exception=DeadlineMissedError(f"over {DEADLINE_MS} ms") if missed else None,
        )


class ChatUser(TierfoldUser):
    """A conversation that grows by a question and an answer, and is folded before every turn."""

    weight = 3

    def on_start(self) -> None:
        """Begin the first conversation."""
        super().on_start()
        self.begin()

    def begin(self) -> None:
        """Begin another conversation."""
        self.rows = [{"role": "system", "content": "You keep the log of a waterworks."}]

    @task(4)
    def ask(self) -> None:
        """Grow by one turn and fold for its question."""
        if len(self.rows) >= ROWS_MAX:
            self.begin()
            self.fresh_session(next(_seeds))
        ask = question(self.dice)
        self.rows.append({"role": "user", "content": ask})
        self.process("chat", process_body(ask, {"messages": self.rows}))
        self.rows.append({"role": "assistant", "content": paragraph(self.dice, 6)})

    @task(1)
    def compress(self) -> None:
        """Fold in place, as a gateway in front of a model would."""
        body = {"messages": self.rows, "token_budget": TOKENS_MAX}
        with self.post("/v1/compress", "chat", body) as response:
            answer = self.answer(response)
            if answer is not None and (fault := compress_fault(answer, len(self.rows))):
                response.failure(fault)


class DocumentUser(TierfoldUser):
    """One-off questions on texts that were never seen before."""

    weight = 2

    @task
    def ask(self) -> None:
        """Send about 2,500 tokens of text with a question."""
        text = "\n\n".join(paragraph(self.dice, 8) for _ in range(16))
        self.process("document", process_body(question(self.dice), {"text": text}))


class Probe(TierfoldUser):
    """The orchestrator's view: asks while others work whether the process is alive."""

    fixed_count = 1
    wait_time = between(0.4, 0.6)

    @task
    def livez(self) -> None:
        """Ask as a probe asks."""
        self.client.get("/livez", name="/livez")


def verdict(environment: Environment) -> str | None:
    """Return why the run failed, or None."""
    entries = environment.stats.entries.items()
    requests = [entry for (_, kind), entry in entries if kind not in {"DEADLINE", "STAGE"}]
    deadlines = [entry for (_, kind), entry in entries if kind == "DEADLINE"]
    failed = sum(entry.num_failures for entry in requests)
    missed = sum(entry.num_failures for entry in deadlines)
    answered = sum(entry.num_requests for entry in deadlines)
    if failed or not answered:
        return f"{failed} requests failed, {answered} answers were checked"
    if missed > MISSED_SHARE_MAX * answered:
        return f"{missed} of {answered} answers came after {DEADLINE_MS} ms"
    return None


def decide(environment: Environment, **_: Any) -> None:
    """Set the exit code: one failed request or check fails the run."""
    reason = verdict(environment)
    environment.process_exit_code = 1 if reason else 0
    print(f"load test failed: {reason}" if reason else "load test passed")


events.quitting.add_listener(decide)
