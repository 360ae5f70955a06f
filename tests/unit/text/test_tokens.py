"""Token counts and the arithmetic of messages."""

import base64
import gzip
import importlib.util
from pathlib import Path
from typing import Any, get_args

import pytest
import tiktoken
from hypothesis import given
from hypothesis import strategies as st

from tierfold.context import Message, OpaquePart, TextPart, Tokenizer, ToolCall
from tierfold.text import TokenCounter, message_overhead, token_counter
from tierfold.text.tokens import opaque_tokens

_PATTERNS = {
    "cl100k": (
        r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+"
        r"|\s++$|\s*[\r\n]|\s+(?!\S)|\s"
    ),
    "o200k": (
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
        r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
        r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    ),
}
_TEXTS = [
    "",
    " ",
    "Hello, world!",
    "<|endoftext|> and <|im_start|>system<|im_end|>",
    "I'll say it's WE'RE don't CamelCaseWord snake_case_word",
    "12345678 3.14159 1,000,000",
    "def f(x):\n\treturn x  # comment\n\n\n    pass\r\n\r\n",
    "https://example.org/a/b?c=d&e=f#g\n/usr/bin\n//",
    "这是一句话。还有一句",
    "日本語のテキスト、かなカナ漢字",
    "한국어 문장입니다.",
    "Привет, мир! ЁЖИК",
    "مرحبا بالعالم",
    "यह एक वाक्य है।",
    "👩‍👩‍👧 🇩🇪🇫🇷 👍🏽 e\u0301 \u200b\ufeff",
    "\x00\x01\x1c\x1d\x85\u2028\u3000 \xa0end ",
    "a" * 5_000,
    " " * 3_000,
    "\n" * 999,
    "ab" * 2_000,
    "." * 2_000,
    "7" * 1_000,
    "é" * 1_000,
]


@pytest.fixture(scope="module", params=get_args(Tokenizer))
def pair(request: pytest.FixtureRequest) -> tuple[TokenCounter, tiktoken.Encoding]:
    """Our counter, and tiktoken's encoding built from packaged ranks."""
    name: Tokenizer = request.param
    found = importlib.util.find_spec("bpe_openai")  # importing it takes a second
    assert found is not None
    assert found.origin is not None
    packed = Path(found.origin).parent / "data" / f"{name}_base.tiktoken.gz"
    lines = gzip.decompress(packed.read_bytes()).splitlines()
    ranks = {base64.b64decode(text): int(rank) for text, rank in map(bytes.split, lines)}
    encoding = tiktoken.Encoding(
        name, pat_str=_PATTERNS[name], mergeable_ranks=ranks, special_tokens={}
    )
    return token_counter(name), encoding


def test_counts_are_those_of_tiktoken(pair: tuple[TokenCounter, tiktoken.Encoding]) -> None:
    """The number of tokens is that of encode_ordinary, special tokens being plain text."""
    counter, encoding = pair

    assert [counter.count(text) for text in _TEXTS] == [
        len(encoding.encode_ordinary(text)) for text in _TEXTS
    ]
    assert counter.count_each(_TEXTS).tolist() == [counter.count(text) for text in _TEXTS]


@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=200))
def test_counts_of_any_text_are_those_of_tiktoken(
    pair: tuple[TokenCounter, tiktoken.Encoding], text: str
) -> None:
    """Whatever Unicode is in a text, the count is tiktoken's."""
    counter, encoding = pair

    assert counter.count(text) == len(encoding.encode_ordinary(text))


def test_a_text_without_spaces_is_counted_in_linear_time() -> None:
    """Five million equal letters are exact: eight to a token."""
    assert token_counter("o200k").count("a" * 5_000_000) == 625_000


def test_the_counter_is_made_once() -> None:
    """One process loads an encoding once."""
    assert token_counter("o200k") is token_counter("o200k")
    assert token_counter("cl100k").tokenizer == "cl100k"


def _message(**fields: Any) -> Message:
    return Message(**({"role": "user", "content": "text", "raw": {}} | fields))


def test_a_message_costs_its_wrapping_role_and_name() -> None:
    """OpenAI's rule: 3 + the role's token, and a name + 1; "hi" from a user is 8 with the reply."""
    counter = token_counter("o200k")

    assert message_overhead(_message(), counter) == 4
    assert message_overhead(_message(name="ann"), counter) == 5 + counter.count("ann")
    assert message_overhead(_message(content="hi"), counter) + counter.count("hi") + 3 == 8


def test_calls_count_name_and_arguments_and_no_id() -> None:
    """A call is counted as what the model wrote; ids are not sent to it."""
    counter = token_counter("o200k")
    call = ToolCall(id="call_8f3a9e", name="get_flight", arguments='{"number":"HAT001"}')
    wanted = 4 + counter.count(call.name) + counter.count(call.arguments)
    older = {"function_call": {"name": call.name, "arguments": call.arguments}}

    assert message_overhead(_message(role="assistant", tool_calls=(call,)), counter) == wanted
    assert message_overhead(_message(role="assistant", raw=older), counter) == wanted
    assert message_overhead(_message(role="tool", tool_call_id="call_8f3a9e"), counter) == 4


def test_a_refusal_counts_its_text() -> None:
    """A refusal is text of the assistant that is never folded."""
    counter = token_counter("o200k")
    part = OpaquePart(raw={"type": "refusal", "refusal": "I cannot."})

    assert message_overhead(_message(raw={"refusal": "I cannot."}), counter) == 7
    assert opaque_tokens(part, counter) == 3


@pytest.mark.parametrize(
    ("raw", "tokens"),
    [
        ({"type": "image_url", "image_url": {"url": "u", "detail": "low"}}, 85),
        ({"type": "image_url", "image_url": {"url": "u", "detail": "high"}}, 765),
        ({"type": "image_url", "image_url": {"url": "u"}}, 765),
        ({"type": "image_url"}, 765),
        ({"type": "input_audio", "input_audio": {"data": "x" * 999}}, 600),
        ({"type": "file", "file": {"file_id": "f"}}, 2_000),
        ({"type": "hologram"}, 100),
        ({}, 100),
    ],
)
def test_parts_that_are_not_text_count_by_kind(raw: dict[str, Any], tokens: int) -> None:
    """Every kind has one documented figure."""
    text = TextPart(text="a text part is not overhead", raw={})
    message = _message(content=(text, OpaquePart(raw=raw)))

    assert message_overhead(message, token_counter("o200k")) == 4 + tokens
