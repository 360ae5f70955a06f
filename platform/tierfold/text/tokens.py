"""Exact token counts, offline, and what a chat message costs besides its texts.

Counts are those of tiktoken's `encode_ordinary`: text that looks like a special token is plain
text. The arithmetic of messages is OpenAI's published one: 3 tokens a message, the role's own
tokens, the name's own tokens + 1, and once per request 3 that prime the reply. What OpenAI does
not publish is counted by the rules of `message_overhead`.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np

from tierfold.context import Message, OpaquePart, Tokenizer
from tierfold.text.table import IntArray

TOKENS_PER_MESSAGE = 3
TOKENS_PER_NAME = 1
TOKENS_REPLY = 3  # every reply is primed with <|start|>assistant<|message|>

IMAGE_TOKENS_LOW = 85  # OpenAI's figure for detail "low"
IMAGE_TOKENS = 765  # the same page, a 1024 x 1024 image in detail "high"; also for "auto"
OPAQUE_TOKENS: Mapping[str, int] = MappingProxyType(
    {
        "input_audio": 600,  # one minute at 10 tokens a second
        "audio": 600,
        "video_url": 5_000,  # half a minute, two frames a second in low detail
        "file": 2_000,  # a PDF of two pages, each as text and as image
    }
)
OPAQUE_TOKENS_UNKNOWN = 100


class _Encoding(Protocol):
    def count(self, text: str) -> int: ...


class TokenCounter:
    """Counts tokens of one encoding; raises UnicodeEncodeError on lone surrogates."""

    __slots__ = ("_count", "tokenizer")

    def __init__(self, tokenizer: Tokenizer, encoding: _Encoding) -> None:
        self.tokenizer = tokenizer
        self._count = encoding.count

    def count(self, text: str) -> int:
        """Return the number of tokens of one text."""
        return self._count(text)

    def count_each(self, texts: Iterable[str]) -> IntArray:
        """Return the number of tokens of every text by itself."""
        return np.fromiter(map(self._count, texts), np.int32)


@cache
def token_counter(tokenizer: Tokenizer) -> TokenCounter:
    """Return the process's counter for this encoding; the first call loads it (60 ms)."""
    # rs_bpe's own wrapper module prints an error when imported, so it is passed by.
    from rs_bpe.bpe import openai  # noqa: PLC0415

    load = openai.o200k_base if tokenizer == "o200k" else openai.cl100k_base
    return TokenCounter(tokenizer, load())


def message_overhead(message: Message, counter: TokenCounter) -> int:
    """Return what a message costs besides the tokens of its texts.

    * 3 for its wrapping and the tokens of its role (1 for every role there is);
    * a name: its tokens + 1;
    * a tool call, or the older `function_call`: the tokens of its name and of its arguments;
      the ids of calls and results count nothing;
    * a refusal: its tokens;
    * a part that is not text: by its kind, see `opaque_tokens`.
    """
    tokens = TOKENS_PER_MESSAGE + counter.count(message.role)
    if message.name:
        tokens += TOKENS_PER_NAME + counter.count(message.name)
    for call in message.tool_calls:
        tokens += counter.count(call.name) + counter.count(call.arguments)
    tokens += _raw_tokens(message.raw, counter)
    if isinstance(message.content, tuple):
        opaque = (part for part in message.content if isinstance(part, OpaquePart))
        tokens += sum(opaque_tokens(part, counter) for part in opaque)
    return tokens


def opaque_tokens(part: OpaquePart, counter: TokenCounter) -> int:
    """Return what a part that is not text counts: a constant of its kind, a refusal its text."""
    if part.kind == "refusal":
        return counter.count(str(part.raw.get("refusal", "")))
    if part.kind == "image_url":
        image = part.raw.get("image_url")
        is_low = isinstance(image, Mapping) and image.get("detail") == "low"
        return IMAGE_TOKENS_LOW if is_low else IMAGE_TOKENS
    return OPAQUE_TOKENS.get(part.kind, OPAQUE_TOKENS_UNKNOWN)


def _raw_tokens(raw: Mapping[str, Any], counter: TokenCounter) -> int:
    tokens = 0
    refusal = raw.get("refusal")
    if isinstance(refusal, str):
        tokens += counter.count(refusal)
    call = raw.get("function_call")
    if isinstance(call, Mapping):
        tokens += sum(counter.count(str(call.get(key) or "")) for key in ("name", "arguments"))
    return tokens
