"""One caller with a connection to the gateway and one to the echo, asking in turn."""

import asyncio
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import orjson

from benchmarks.connection import Client, Sample
from benchmarks.flood import HTTP_OK, raw_request
from benchmarks.latency import QUESTION

REQUESTS_PER_ROUND = 100
BUDGET_TOKENS = 500
_CREATED = 201
_SETTLE_S = 60.0
_PAUSE_S = 0.5
_REPLICA = b"ray::ServeReplica:tierfold"


@dataclass(slots=True)
class Asking:
    """A context that is asked over one connection, and the echo over another."""

    port: int
    context: str
    ours: Client = field(init=False)
    echo: Client = field(init=False)

    def __post_init__(self) -> None:
        """Make the connections."""
        self.ours, self.echo = Client(self.port), Client(self.port)

    @property
    def path(self) -> str:
        """The route that asks this context."""
        return f"/v1/contexts/{self.context}/process"

    def close(self) -> None:
        """Close the connections."""
        self.ours.close()
        self.echo.close()


@dataclass(slots=True, kw_only=True)
class Round:
    """What one round of questions and echoes met."""

    pairs: list[tuple[Sample, Sample]]
    cpu_ms: list[float]  # of the engine, as each answer says
    replica_ms: float  # CPU of the gateway's process for one question, serving it included

    @property
    def errors(self) -> int:
        """Answers that are no answers."""
        return sum(sample.status != HTTP_OK for pair in self.pairs for sample in pair)

    def medians(self) -> list[float]:
        """Return over HTTP, handler, engine's CPU, replica's CPU and echo, in ms."""
        ours = [pair[0] for pair in self.pairs]
        return [
            float(np.median([sample.ms for sample in ours])),
            float(np.median([sample.handler_ms for sample in ours])),
            float(np.median(self.cpu_ms)),
            self.replica_ms,
            float(np.median([pair[1].ms for pair in self.pairs])),
        ]


def question() -> bytes:
    """Return the body of a question that only the first stage answers."""
    budget = {"max_tokens": BUDGET_TOKENS}
    return orjson.dumps({"ask": QUESTION, "budget": budget, "stages": ["fast"]})


async def made_context(port: int, context: str, text: str) -> None:
    """Store a text as a context; waits while the server is still coming up."""
    request = raw_request("/v1/contexts", orjson.dumps({"id": context, "text": text}))
    sample = await _patiently(Client(port), request, status=_CREATED)
    if sample.status != _CREATED:
        msg = f"the context {context} was not made: {sample.status} {sample.body[:300]!r}"
        raise OSError(msg)


async def settled(asking: Asking) -> bytes:
    """Ask and echo until both answer; return the answer."""
    request = raw_request(asking.path, question())
    answer = await _patiently(asking.ours, request)
    await _patiently(asking.echo, raw_request("/echo/", answer.body))
    if answer.status != HTTP_OK:
        msg = f"no answer from {asking.context}: {answer.status} {answer.body[:300]!r}"
        raise OSError(msg)
    return answer.body


async def ask_in_turn(asking: Asking, *, echo_body: bytes) -> Round:
    """Send a round of questions and echoes, one of each in turn."""
    ours, echo = raw_request(asking.path, question()), raw_request("/echo/", echo_body)
    replica = replica_cpu_s()
    pairs = [
        (await asking.ours.send(ours), await asking.echo.send(echo))
        for _ in range(REQUESTS_PER_ROUND)
    ]
    replica_s = replica_cpu_s() - replica
    return Round(
        pairs=pairs,
        cpu_ms=[_cpu_ms(sample) for sample, _ in pairs if sample.status == HTTP_OK],
        replica_ms=replica_s * 1000 / REQUESTS_PER_ROUND,
    )


def _cpu_ms(sample: Sample) -> float:
    """Return the CPU of the thread that answered, from the question to the answer's text."""
    cpu_ms: float = orjson.loads(sample.body)["timing"]["cpu_ms"]
    return cpu_ms


async def _patiently(client: Client, request: bytes, *, status: int = HTTP_OK) -> Sample:
    """Send until it is answered as it should be, or it takes too long."""
    until = time.monotonic() + _SETTLE_S
    sample = await client.send(request)
    while sample.status != status and time.monotonic() < until:
        await asyncio.sleep(_PAUSE_S)
        sample = await client.send(request)
    return sample


def replica_cpu_s() -> float:
    """Return the CPU that the gateway's replica has used; 0 where it is not found."""
    ticks = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if (folder / "cmdline").read_bytes().startswith(_REPLICA):
                fields = (folder / "stat").read_text("ascii").rpartition(") ")[2].split()
                ticks += int(fields[11]) + int(fields[12])  # user and system
        except OSError:
            continue  # it has just ended
    return ticks / os.sysconf("SC_CLK_TCK")
