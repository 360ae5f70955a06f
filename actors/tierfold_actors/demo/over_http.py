"""The demo's second half: the same request, a chat, and a history that is stored, over HTTP."""

import importlib.resources
import json
import textwrap
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import httpx

from tierfold.cli.progress import first_lines, milliseconds, percent, ratio, stage_line
from tierfold.cli.remote import RemoteContexts
from tierfold.cli.screen import Screen
from tierfold.context import Answer, DocumentSource, StageReport
from tierfold.errors import TierfoldError
from tierfold_actors.demo.in_process import TOKENS, fold, heading, reference
from tierfold_actors.demo.server import ServerDiedError, server
from tierfold_actors.demo.stored import show_disk, show_stored
from tierfold_actors.demo.throwaway import throwaway_folder

CHAT_TOKENS = 500

_REQUEST_S_MAX = 60.0
_ROW_LINES_MAX = 2  # one would hide what a tool answered behind its first keys

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One answer as it came over HTTP."""

    body: Json
    wall_ms: float


def show_over_http(ask: str, here: Answer, screen: Screen, *, keep: bool) -> int:
    """Run the second half; returns the demo's exit code."""
    heading("2. The same over HTTP", screen)
    try:
        with throwaway_folder(keep=keep) as folder:
            with server(folder, screen, keep=keep) as url:
                _tour(url, ask, here, screen)
                with closing(RemoteContexts(url)) as contexts:
                    sent = show_stored(4, ask, contexts, screen)
                screen.line()
                screen.line(f"  API documentation: {screen.paint(f'{url}/docs', 'bold')}")
            if not keep:
                show_disk(folder, sent, screen)
    except (ServerDiedError, TierfoldError, httpx.HTTPError) as error:
        screen.line(screen.paint(f"  {error}", "red"))
        return 1
    return 0


def _tour(url: str, ask: str, here: Answer, screen: Screen) -> None:
    sources = [{"document": {"title": each.title, "text": each.text}} for each in reference()]
    body = {"ask": ask, "sources": sources, "budget": {"max_tokens": TOKENS}}
    shown = f'{{"document": {{"title": "assert", "text": "..."}}}}, and {len(sources) - 1} more'
    with httpx.Client(base_url=url, timeout=_REQUEST_S_MAX, trust_env=False) as client:
        _show_curl(url, ask, shown, TOKENS, screen)
        first = ask_server(client, body, screen)
        again = ask_server(client, body, Screen(None))
        _chat(client, url, screen)
    heading("3. Side by side", screen)
    _compare(here, fold(ask, Screen(None)), first, again, screen)


def _chat(client: httpx.Client, url: str, screen: Screen) -> None:
    chat = example_chat()
    ask, rows = chat["ask"], chat["messages"]
    screen.line()
    screen.line(f"  Now a chat of {len(rows)} rows with tool calls, to {CHAT_TOKENS} tokens.")
    _show_curl(url, ask, '{"messages": [{"role": "system", ...}, ...]}', CHAT_TOKENS, screen)
    body = {
        "ask": ask,
        "sources": [{"messages": rows}],
        "budget": {"max_tokens": CHAT_TOKENS},
    }
    seen = ask_server(client, body, screen)
    screen.line()
    for row in seen.body["sources"][0]["messages"]:
        text = " ".join((row.get("content") or _calls(row)).split())
        lines = textwrap.wrap(text, screen.width - 14, max_lines=_ROW_LINES_MAX, placeholder=" ...")
        for index, line in enumerate(lines):
            name = "" if index else row["role"]
            screen.line(f"    {screen.paint(name.ljust(9), 'dim')} {line}")


def example_chat() -> Json:
    """Return the question and the rows of the support chat that ships with the demo."""
    file = importlib.resources.files("tierfold_actors") / "demo" / "chat.json"
    chat: Json = json.loads(file.read_text("utf-8"))
    return chat


def _calls(row: Json) -> str:
    return ", ".join(call["function"]["name"] + "()" for call in row.get("tool_calls", ()))


def ask_server(client: httpx.Client, body: Json, screen: Screen) -> Seen:
    """Send the request, show every stage event as it comes, return the result."""
    began = time.perf_counter()
    result: Json | None = None
    headers = {"Accept": "text/event-stream"}
    with client.stream("POST", "/v1/process", json=body, headers=headers) as response:
        if response.is_error:
            response.read()
        response.raise_for_status()
        shown: int | None = None
        for name, data in events(response.iter_lines()):
            if name == "error":
                raise ServerDiedError(data["detail"])
            shown = _show_stages(data, shown, screen)
            result = data if name == "result" else result
    if result is None:
        msg = "the stream ended without a result"
        raise ServerDiedError(msg)
    seen = Seen(body=result, wall_ms=(time.perf_counter() - began) * 1000)
    _show_result(seen, screen)
    return seen


def events(lines: Iterator[str]) -> Iterator[tuple[str, Json]]:
    """Yield name and data of each server-sent event."""
    name = ""
    for line in lines:
        field, _, value = line.partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            yield name, json.loads(value)


def _show_stages(body: Json, shown: int | None, screen: Screen) -> int:
    """Write the lines of what is new in this event; returns how many stages are shown by now."""
    total, timing = body["usage"]["original_prompt_tokens"], body["timing"]
    if shown is None:
        read = f"{total:,} tokens"
        for line in first_lines(read, timing["read_ms"], timing["index_ms"], screen):
            screen.line(line)
        shown = 0
    for stage, took in zip(body["stages"][shown:], timing["stages"][shown:], strict=True):
        screen.line(stage_line(StageReport(**stage), total, took["ms"], screen))
    return max(shown, len(body["stages"]))


def _show_result(seen: Seen, screen: Screen) -> None:
    usage = seen.body["usage"]
    before, after = usage["original_prompt_tokens"], usage["prompt_tokens"]
    screen.line(
        f"  {before:,} -> {after:,} tokens ({ratio(before, after)}), "
        f"quality {percent(seen.body['quality']['expected'])}, "
        f"{milliseconds(seen.wall_ms)} with transport"
    )


def _compare(here: Answer, warm: Answer, first: Seen, again: Seen, screen: Screen) -> None:
    def row(name: str, *cells: str) -> None:
        screen.line(f"  {name:<32}" + "".join(f"{cell:>14}" for cell in cells))

    body = again.body
    there = body["usage"]["prompt_tokens"]
    first_ms, again_ms = (seen.body["timing"]["total_ms"] for seen in (first, again))
    row("", "in process", "over HTTP")
    row("tokens", f"{here.tokens:,}", f"{there:,}")
    row("quality", percent(here.quality.expected), percent(body["quality"]["expected"]))
    row(
        "pipeline, first (loads tables)", milliseconds(here.timing.total_ms), milliseconds(first_ms)
    )
    row("pipeline, again", milliseconds(warm.timing.total_ms), milliseconds(again_ms))
    row("whole request, again", milliseconds(warm.timing.total_ms), milliseconds(again.wall_ms))
    kept = [source["document"]["text"] for source in body["sources"]]
    same = kept == [s.document.text for s in here.sources if isinstance(s, DocumentSource)]
    row("same text", "yes" if same else "no")


def _show_curl(url: str, ask: str, sources: str, tokens: int, screen: Screen) -> None:
    """Write the line a person would type; the sources are shortened, for eyes only."""
    question = json.dumps(ask).replace("'", "'\\''")  # as a shell wants it inside quotes
    lines = (
        f"$ curl -N {url}/v1/process -H 'Content-Type: application/json' \\",
        "    -H 'Accept: text/event-stream' \\",
        f"""    -d '{{"ask": {question},""",
        f"""         "sources": [{sources}],""",
        f"""         "budget": {{"max_tokens": {tokens}}}}}'""",
    )
    screen.line()
    for line in lines:
        screen.line("  " + screen.paint(line, "dim"))
    screen.line()
