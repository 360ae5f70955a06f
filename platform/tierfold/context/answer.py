"""What a request gets back: the folded sources and a true account of them."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from tierfold.context.source import DocumentSource, MessagesSource, Source, TextSource


class StopReason(StrEnum):
    """Why no further stage ran."""

    TARGET_QUALITY = "target_quality"  # the floor is met
    DEADLINE = "deadline"  # the next step would not have ended in time
    NO_GAIN = "no_gain"  # the last stage changed nothing
    LAST_STAGE = "last_stage"  # there is none left
    FITS_ALREADY = "fits_already"  # the input is within the budget as it is
    BYPASS = "bypass"  # the caller asked for the input
    MEMORY = "memory"  # there was none to read all of the input: the newest part was read


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """One run of characters of the caller's input that is not in the answer."""

    source: int
    message: int | None  # row of a chat, else None
    part: int | None  # index in the row's content list or the document's parts, else None
    start: int  # first character of that text
    end: int  # one past the last
    tokens: int
    handle: str | None = None  # brings it back, where it is of a stored context
    count: int = 1  # rows or parts from this one on; more than one only where none of them was read


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityReport:
    """How much of what the question needs is in the answer, by the calibrated estimate."""

    expected: float  # share of the needed evidence, 0..1
    floor: float | None  # what the budget asked for
    p_floor: float  # probability that the share reaches the floor
    floor_met: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens in and out, and what the difference is worth."""

    prompt_tokens: int
    original_prompt_tokens: int
    original_is_estimate: bool = False  # there was no time to count all of it
    usd_net: float  # saved on fresh tokens less the CPU spent; may be negative
    cost_usd: float  # kept tokens + CPU


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceShare:
    """What one of several sources got of the budget."""

    source: int
    prompt_tokens: int  # of it in the answer
    original_prompt_tokens: int  # as its units were counted; estimated where not all was read
    share: float  # of the answer's tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class StageReport:
    """What one stage reached; a pure function of the input."""

    stage: str
    quality: float
    tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StageTiming:
    """What one stage took."""

    stage: str
    predicted_ms: float
    ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Everything about an answer that depends on the machine and the moment."""

    total_ms: float
    cpu_ms: float
    read_ms: float = 0.0  # cutting and counting the sources; 0 where they were prepared before
    index_ms: float = (
        0.0  # their words and vectors; 0 where no stage ran or they were indexed before
    )
    stages: tuple[StageTiming, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The folded sources, in the order and shape they came in."""

    sources: tuple[Source, ...]
    stop_reason: StopReason
    query_free: bool
    quality: QualityReport
    usage: Usage
    stages: tuple[StageReport, ...]
    left_out: tuple[LeftOut, ...]
    timing: Timing
    shares: tuple[SourceShare, ...] = ()  # how the budget was split, where there are several
    final: bool = True  # False in the answers that a stream shows on the way

    @property
    def text(self) -> str:
        """All text of the answer: sources one after another, messages as `role: content`."""
        return "\n\n".join(_as_text(source) for source in self.sources)

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The messages of every chat source in the caller's own shape."""
        chats = (s for s in self.sources if isinstance(s, MessagesSource))
        return [message.to_dict() for chat in chats for message in chat.messages]

    @property
    def tokens(self) -> int:
        """Tokens of the answer, markers included."""
        return self.usage.prompt_tokens


def _as_text(source: Source) -> str:
    match source:
        case TextSource(text=text):
            return text
        case DocumentSource(document=document):
            return document.whole_text
        case MessagesSource(messages=messages):
            return "\n".join(f"{m.role}: {' '.join(m.texts())}" for m in messages)
