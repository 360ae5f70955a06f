"""One line per stage as it lands, and the closing figures."""

from collections.abc import Iterator

from tierfold.cli.screen import Screen, Style
from tierfold.context import (
    Answer,
    DocumentSource,
    MessagesSource,
    Source,
    StageReport,
    StopReason,
    TextSource,
)

_NAME_WIDTH = 12  # high_quality, the longest stage
_LITTLE_USD = 0.01
_MARKER = "[…]"  # as the assembler writes it
_GOOD = 0.8
_FAIR = 0.5

_WHY = {
    StopReason.TARGET_QUALITY: "the quality asked for is reached",
    StopReason.DEADLINE: "the deadline",
    StopReason.NO_GAIN: "the last stage changed nothing",
    StopReason.LAST_STAGE: "no stage is left",
    StopReason.FITS_ALREADY: "the input fits as it is",
    StopReason.BYPASS: "bypass",
    StopReason.MEMORY: "memory: only the newest part was read",
}


class Progress:
    """Shows a stream of answers; every stage once, when it first appears."""

    def __init__(self, screen: Screen, *, priced: bool = False) -> None:
        self._screen = screen
        self._priced = priced
        self._shown: int | None = None  # None: not even what comes before the stages

    def follow(self, answers: Iterator[Answer]) -> Answer:
        """Show the stages as they land; return the last answer."""
        answer = next(answers)
        self.show(answer)
        for later in answers:
            answer = later
            self.show(answer)
        return answer

    def show(self, answer: Answer) -> None:
        """Write the lines of the steps that are new in this answer."""
        total, timing = answer.usage.original_prompt_tokens, answer.timing
        if self._shown is None:
            read = "newest part" if answer.usage.original_is_estimate else f"{total:,} tokens"
            for line in first_lines(read, timing.read_ms, timing.index_ms, self._screen):
                self._screen.line(line)
            self._shown = 0
        for index in range(self._shown, len(answer.stages)):
            ms = timing.stages[index].ms if index < len(timing.stages) else None
            self._screen.line(stage_line(answer.stages[index], total, ms, self._screen))
        self._shown = max(self._shown, len(answer.stages))

    def close(self, answer: Answer) -> None:
        """Write the figures of the whole."""
        for line in closing_lines(answer, self._screen, priced=self._priced):
            self._screen.line(line)


def stage_line(stage: StageReport, total: int, ms: float | None, screen: Screen) -> str:
    """Return one aligned line: name, tokens kept of all, expected quality, time."""
    whole = f"{total:,}"
    kept = f"{stage.tokens:,}".rjust(len(whole))
    took = "" if ms is None else milliseconds(ms).rjust(9)
    name = screen.paint(stage.stage.ljust(_NAME_WIDTH), "bold")
    quality = painted_quality(stage.quality, screen)
    return f"  {name}  {kept} of {whole} tokens   quality {quality}  {screen.paint(took, 'dim')}"


def first_lines(read: str, read_ms: float, index_ms: float, screen: Screen) -> Iterator[str]:
    """Yield what came before the stages; with them the times add up. A step not done took 0 ms."""
    for name, ms in (("read", read_ms), ("index", index_ms)):
        if ms > 0:
            width = 2 * len(read) - len("tokens ") + len(" of ")  # as the stages' `x of y tokens`
            tokens = read.rjust(width).ljust(width + len("   quality 100 %"))
            took = screen.paint(milliseconds(ms).rjust(9), "dim")
            yield f"  {screen.paint(name.ljust(_NAME_WIDTH), 'bold')}  {tokens}  {took}"


def closing_lines(answer: Answer, screen: Screen, *, priced: bool = False) -> list[str]:
    """Return before and after, quality, time, why it stopped and what it is worth."""
    before, after = answer.usage.original_prompt_tokens, answer.tokens
    about = "about " if answer.usage.original_is_estimate else ""
    tokens = screen.paint(f"{about}{before:,} -> {after:,} tokens", "bold")
    quality = painted_quality(answer.quality.expected, screen, width=0)
    facts = [
        f"{tokens} ({ratio(before, after)})",
        f"quality {quality}",
        milliseconds(answer.timing.total_ms),
        f"stopped: {answer.stop_reason} ({_WHY[answer.stop_reason]})",
    ]
    lines = ["  " + ", ".join(facts)]
    if priced:
        lines.append(f"  {money(answer)}")
    if about:
        warning = "there was time to read the newest part only: give more --deadline for the rest"
        lines.append("  " + screen.paint(warning, "yellow"))
    if _is_empty(answer):
        warning = "nothing of the input fits into this budget: give more --tokens (or --usd)"
        lines.append("  " + screen.paint(warning, "yellow"))
    if not answer.quality.floor_met and answer.quality.floor is not None:
        warning = (
            f"floor not met: expected {percent(answer.quality.expected)} of the evidence, "
            f"asked {percent(answer.quality.floor)}; raise --tokens or --deadline"
        )
        lines.append("  " + screen.paint(warning, "yellow"))
    return lines


def _is_empty(answer: Answer) -> bool:
    """Whether nothing but markers is left; an empty answer that meets a floor was wanted."""
    is_wanted = answer.quality.floor is not None and answer.quality.floor_met
    if is_wanted or not answer.left_out:
        return False
    texts = (text for source in answer.sources for text in _texts(source))
    return not any(text.replace(_MARKER, "").strip() for text in texts)


def _texts(source: Source) -> Iterator[str]:
    match source:
        case TextSource(text=text):
            yield text
        case DocumentSource(document=document):
            yield document.text
            yield from (part.text for part in document.parts or ())
        case MessagesSource(messages=messages):
            for message in messages:
                yield from message.texts()
                yield from (call.name for call in message.tool_calls)


def painted_quality(quality: float, screen: Screen, *, width: int = 5) -> str:
    """Return the share in percent, green, yellow or red."""
    style: Style = "green" if quality >= _GOOD else "yellow" if quality >= _FAIR else "red"
    return screen.paint(percent(quality).rjust(width), style)


def percent(share: float) -> str:
    """Return `87 %`; never 100 % for less."""
    return f"{int(share * 100 + 1e-9)} %"


def ratio(before: int, after: int) -> str:
    """Return how much is left, in percent and as a factor."""
    if after >= before or not before:
        return "all kept"
    return f"{after / before:.1%}".replace("%", " %") + f", {before / max(after, 1):.1f}x smaller"


def milliseconds(ms: float) -> str:
    """Return a time people can compare: `7.4 ms`, `74 ms`, `1,240 ms`."""
    return f"{ms:.1f} ms" if ms < 10 else f"{ms:,.0f} ms"  # noqa: PLR2004  # two digits that count


def money(answer: Answer) -> str:
    """Return what one call costs now and what folding saved, net of its CPU."""
    net, cost = answer.usage.usd_net, answer.usage.cost_usd
    verb = "saves" if net >= 0 else "loses"
    return f"{verb} ${_dollars(abs(net))} net a call (now ${_dollars(cost)}, CPU included)"


def _dollars(usd: float) -> str:
    return f"{usd:.2f}" if usd >= _LITTLE_USD or not usd else f"{usd:.6f}"
