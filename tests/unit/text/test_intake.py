"""Sources into blocks, rows, frames and units."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierfold.config import Limits
from tierfold.context import (
    Document,
    DocumentSource,
    Message,
    MessagesSource,
    OpaquePart,
    Part,
    Source,
    TextPart,
    TextSource,
    ToolCall,
)
from tierfold.errors import InvalidInputError, TooLargeError
from tierfold.text import NO_FRAME, Intake, Kind, Role, message_overhead, read, token_counter

_COUNTER = token_counter("o200k")


def _row(role: str, content: Any = "some words", **fields: Any) -> Message:
    return Message(**({"role": role, "content": content, "raw": {"role": role}} | fields))


def _call(*names: str, content: str | None = None) -> Message:
    calls = tuple(ToolCall(id=name, name=f"tool_{name}", arguments="{}") for name in names)
    return _row("assistant", content, tool_calls=calls)


def _result(name: str, content: str = "the result") -> Message:
    return _row("tool", content, tool_call_id=name)


def _chat(*messages: Message, strict: bool = True) -> Intake:
    return read((MessagesSource(messages=messages),), tokenizer="o200k", strict=strict)


def _overhead(messages: Sequence[Message]) -> int:
    return sum(message_overhead(message, _COUNTER) for message in messages)


_WORDS = st.sampled_from(
    [
        "A sentence. Another one! ",
        "line\n",
        "\n\n",
        "  indented\n",
        "/slash",
        "\r\n",
        "\r",
        " ",
        "\t",
        "。",
        "don't",
        "'s",
        "12",
        "345",
        "```\n",
        "| a | b |\n|---|---|\n| 1 | 2 |\n",
        "<keep>",
        "</keep>",
        "\x1c",
        "\xa0",
        "\u2028",
        "é\u0301",
        "x" * 700,
        json.dumps([{"a": "b" * 150}] * 4),
    ]
)
_ANY_TEXT = st.lists(_WORDS, max_size=20).map("".join) | st.text(
    st.characters(exclude_categories=["Cs"]), max_size=80
)


@given(texts=st.lists(_ANY_TEXT, max_size=5), parts=st.lists(_ANY_TEXT, max_size=5))
def test_tokens_are_the_exact_count_of_the_whole_input(texts: list[str], parts: list[str]) -> None:
    """The sum over units is corrected where a token spans two of them."""
    document = Document(parts=tuple(Part(text=part) for part in parts))
    messages = tuple(_row("user", text) for text in texts)
    sources: tuple[Source, ...] = (
        *(TextSource(text=text) for text in texts),
        DocumentSource(document=document),
        MessagesSource(messages=messages),
    )
    intake = read(sources, tokenizer="o200k")

    expected = 2 * sum(map(_COUNTER.count, texts)) + _COUNTER.count("".join(parts))
    assert intake.tokens == expected + _overhead(messages) + 3


@given(texts=st.lists(_ANY_TEXT, min_size=1, max_size=6))
def test_units_joined_are_the_blocks_in_order(texts: list[str]) -> None:
    """A unit knows its block and the block its place."""
    intake = read(tuple(TextSource(text=text) for text in texts), tokenizer="cl100k")
    units = intake.units

    assert units.text == "".join(texts)
    assert [block.text for block in intake.blocks] == [text for text in texts if text]
    for index, block in enumerate(intake.blocks):
        mine = np.flatnonzero(units.block == index)
        assert "".join(units.unit(unit) for unit in mine.tolist()) == block.text
        assert units.start[mine[0]] == intake.block_start[index]
    assert units.tokens.tolist() == [
        token_counter("cl100k").count(units.unit(unit)) for unit in range(len(units))
    ]


def test_nothing_is_an_intake_too() -> None:
    """No sources, empty texts and empty chats are no units, no error."""
    empty = (
        TextSource(text=""),
        MessagesSource(messages=()),
        DocumentSource(document=Document(title="nothing")),
    )

    assert read((), tokenizer="o200k").tokens == 0
    intake = read(empty, tokenizer="o200k")
    assert (len(intake.units), len(intake.blocks), intake.tokens) == (0, 0, 3)
    assert intake.units.titles == ("", "nothing")


def test_a_document_is_a_group_with_its_title_and_parts_are_whole() -> None:
    """Borders that the caller chose are kept, with the role of each part."""
    parts = (
        Part(text="One. Two sentences here.", role="user"),
        Part(text=""),
        Part(text="Three.", role="function"),
    )
    document = Document(title="Minutes", parts=parts)
    intake = read(
        (TextSource(text="x"), DocumentSource(document=document, priority=2.5)), tokenizer="o200k"
    )
    units = intake.units

    assert [block.origin.part for block in intake.blocks] == [None, 0, 2]
    assert [units.unit(unit) for unit in range(len(units))] == ["x", parts[0].text, "Three."]
    assert units.titles == ("", "Minutes")
    assert units.group.tolist() == [0, 1, 1]
    assert units.role.tolist() == [Role.NONE, Role.USER, Role.TOOL]
    assert intake.weight.tolist() == [1.0, 2.5, 2.5]
    assert not intake.rows


def test_a_document_without_parts_is_cut() -> None:
    """Its text is prose like any other."""
    document = Document(text="This is one sentence. This is another sentence.")
    intake = read((DocumentSource(document=document),), tokenizer="o200k")

    assert len(intake.units) == 2


def test_a_call_and_its_results_share_a_frame() -> None:
    """They stand or fall together: one frame, paid once, + 1 for each result that may be empty."""
    messages = (
        _row("user", "question one"),
        _call("a", "b"),
        _result("b"),
        _result("a"),
        _row("assistant", "the answer"),
        _row("user", "question two"),
    )
    intake = _chat(*messages)
    frames = [row.frame for row in intake.rows]

    assert frames == [0, 1, 1, 1, 2, 3]
    assert intake.units.frames.tokens[1] == _overhead(messages[1:4]) + 2
    assert intake.units.frames.tokens[0] == _overhead(messages[:1])
    assert intake.units.frames.parent.tolist() == [NO_FRAME] * 4
    assert intake.units.frame.tolist() == [0, 1, 1, 2, 3]


def test_an_exchange_is_a_group_and_so_is_each_result() -> None:
    """Groups follow the turns of the user; a result is one by itself, titled by its tool."""
    intake = _chat(
        _row("system", "be good"),
        _row("user", "one"),
        _call("a", content="I look"),
        _result("a"),
        _row("assistant", "done"),
        _row("user", "two"),
    )

    assert intake.units.group.tolist() == [0, 1, 1, 2, 1, 3]
    assert intake.units.titles == ("", "", "tool_a", "")


def test_instructions_and_the_last_user_row_are_verbatim() -> None:
    """They are pinned with their frames; nothing else is."""
    intake = _chat(
        _row("system", "be good"),
        _row("developer", "be brief"),
        _row("user", "one"),
        _row("assistant", "two"),
        _row("user", "three"),
        _row("assistant", "four"),
    )
    wanted = [True, True, False, False, True, False]

    assert intake.row_is_pinned.tolist() == wanted
    assert intake.units.pinned.tolist() == wanted
    assert intake.units.frames.pinned.tolist() == wanted


def test_a_call_at_the_very_end_waits_for_its_results() -> None:
    """An open call is pinned: the model is about to get what it asked for."""
    messages = (_row("user"), _call("a", "b", content="looking"), _result("a"))
    intake = _chat(*messages)

    assert intake.row_is_pinned.tolist() == [True, True, False]
    assert intake.units.frames.pinned.tolist() == [True, True]
    assert intake.units.pinned.tolist() == [True, True, False]


def test_contents_may_be_missing_empty_or_lists() -> None:
    """Rows without text have a frame and no units; parts keep their index."""
    image = OpaquePart(raw={"type": "image_url"})
    parts = (image, TextPart(text="a text", raw={}), TextPart(text="", raw={}), image)
    intake = _chat(_row("assistant", None), _row("assistant", ""), _row("user", parts))

    assert len(intake.rows) == 3
    assert [(b.origin.message, b.origin.part) for b in intake.blocks] == [(2, 1)]
    assert intake.units.frames.tokens.tolist() == [4, 4, 4 + 2 * 765]


def test_json_in_a_result_stands_inside_the_frame_of_its_row() -> None:
    """Brackets of a large value are framing; its frames hang below the call's."""
    text = json.dumps({"flights": [{"number": n, "note": "words " * 20} for n in range(6)]})
    intake = _chat(_row("user"), _call("a"), _result("a", text))
    frames, units = intake.units.frames, intake.units

    assert frames.parent.tolist() == [NO_FRAME, NO_FRAME, 1, 2]
    framing = np.flatnonzero(units.framing)
    assert frames.tokens[2] + frames.tokens[3] == units.tokens[framing].sum()
    assert (units.kind[units.block == 1] == Kind.JSON).all()


def test_a_kept_span_pins_its_units_and_the_frames_they_need() -> None:
    """A keep mark inside nested JSON or a table keeps what it stands in."""
    text = json.dumps({"a": ["x" * 300, "see <keep>this</keep>", "y" * 300]})
    intake = _chat(_row("user", text), _row("user", "now"))
    units = intake.units

    pinned = [units.unit(unit) for unit in np.flatnonzero(units.pinned).tolist()]
    assert pinned == [', "see <keep>this</keep>"', "now"]
    assert units.frames.pinned.tolist() == [True, True, True, True]


def test_pinned_json_pins_its_frames() -> None:
    """Verbatim rows are whole, brackets included."""
    text = json.dumps(["x" * 300, "y" * 300])

    assert _chat(_row("user", text)).units.frames.pinned.all()


@pytest.mark.parametrize(
    ("messages", "path"),
    [
        ((_row("user"), _result("a")), "messages[1].tool_call_id"),
        ((_call("a"), _result("a"), _result("a")), "messages[2].tool_call_id"),
        ((_call("a"), _row("tool", "x")), "messages[1].tool_call_id"),
        ((_call("a"), _row("user")), "messages[0].tool_calls[0].id"),
        ((_call("a", "b"), _result("a"), _row("user")), "messages[0].tool_calls[1].id"),
        ((_call("a", "a"), _result("a")), "messages[0].tool_calls[1].id"),
        ((_row("function", "x", name="f"),), "messages[0].name"),
        (
            (_row("assistant", None, raw={"function_call": {"name": "f"}}), _row("user")),
            "messages[0].function_call",
        ),
    ],
)
def test_what_providers_refuse_is_refused_by_path(messages: tuple[Message, ...], path: str) -> None:
    """Strict chats have one result for each call; lenient ones may have anything."""
    with pytest.raises(InvalidInputError) as caught:
        _chat(*messages)

    assert caught.value.path == f"sources[0].{path}"
    lenient = _chat(*messages, strict=False)
    assert len(lenient.rows) == len(messages)


_ROWS = st.one_of(
    st.builds(_row, st.sampled_from(["system", "user", "assistant", "function"]), _ANY_TEXT),
    st.builds(_call, st.sampled_from("abc"), st.sampled_from("cde"), content=st.none() | _ANY_TEXT),
    st.builds(_result, st.sampled_from("abcde"), _ANY_TEXT),
)


@given(messages=st.lists(_ROWS, max_size=12).map(tuple))
def test_any_chat_is_read_when_lenient(messages: tuple[Message, ...]) -> None:
    """Every row has a frame, verbatim rows are pinned whole, and the count is exact."""
    intake = _chat(*messages, strict=False)
    units, frames = intake.units, intake.units.frames

    texts = sum(_COUNTER.count(text) for message in messages for text in message.texts())
    assert intake.tokens == texts + _overhead(messages) + 3
    assert [row.message for row in intake.rows] == list(range(len(messages)))
    shown = np.array([message.role in ("tool", "function") for message in messages], np.bool_)
    extra = int(frames.tokens.sum()) - int(units.tokens[units.framing].sum()) - _overhead(messages)
    assert 0 <= extra <= shown.sum()
    for row, is_pinned in zip(intake.rows, intake.row_is_pinned.tolist(), strict=True):
        if is_pinned:
            mine = [b.origin.message == row.message for b in intake.blocks]
            assert frames.pinned[row.frame]
            assert units.pinned[np.array(mine, np.bool_)[units.block]].all()
    inner = frames.parent != NO_FRAME
    assert (frames.parent[inner] < np.flatnonzero(inner)).all()
    assert not (frames.pinned[inner] & ~frames.pinned[frames.parent[inner]]).any()


def test_an_orphan_result_has_its_own_frame_when_lenient() -> None:
    """Without its call it stands alone; a second result joins the first."""
    lenient = _chat(_result("x"), _call("a"), _result("a"), _result("a"), strict=False)

    assert [row.frame for row in lenient.rows] == [0, 1, 1, 1]


def test_ids_may_be_used_again_once_answered() -> None:
    """Some frameworks number their calls anew in every turn."""
    chat = _chat(_call("a"), _result("a"), _call("a"), _result("a"), _row("user"))

    assert [row.frame for row in chat.rows] == [0, 0, 1, 1, 2]


def test_older_function_calls_are_paired_too() -> None:
    """A function row answers the function_call of its name."""
    call = _row("assistant", None, raw={"function_call": {"name": "f", "arguments": "{}"}})
    chat = _chat(call, _row("function", "result", name="f"), _row("user"))

    assert [row.frame for row in chat.rows] == [0, 0, 1]
    assert chat.units.titles[1] == "f"


@pytest.mark.parametrize(
    ("source", "path"),
    [
        (TextSource(text="ab\ud800"), "text"),
        (DocumentSource(document=Document(title="\udfff")), "document.title"),
        (DocumentSource(document=Document(text="\udfff")), "document.text"),
        (DocumentSource(document=Document(parts=(Part(text="\udfff"),))), "document.parts[0].text"),
        (MessagesSource(messages=(_row("user", "\ud8ff"),)), "messages[0].content"),
        (
            MessagesSource(messages=(_row("user", (TextPart(text="\ud8ff", raw={}),)),)),
            "messages[0].content[0].text",
        ),
        (MessagesSource(messages=(_row("user", name="\ud8ff"),)), "messages[0].name"),
        (
            MessagesSource(messages=(_row("assistant", raw={"refusal": "\ud8ff"}),)),
            "messages[0].refusal",
        ),
        (
            MessagesSource(
                messages=(_row("assistant", raw={"function_call": {"arguments": "\ud8ff"}}),)
            ),
            "messages[0].function_call.arguments",
        ),
        (
            MessagesSource(
                messages=(
                    _row(
                        "assistant",
                        tool_calls=(ToolCall(id="a", name="f", arguments='{"a":"\ud8ff"}'),),
                    ),
                )
            ),
            "messages[0].tool_calls[0].function.arguments",
        ),
        (
            MessagesSource(
                messages=(
                    _row(
                        "assistant",
                        (OpaquePart(raw={"type": "refusal", "refusal": "\ud8ff"}),),
                    ),
                )
            ),
            "messages[0].content[0].refusal",
        ),
    ],
)
def test_lone_surrogates_are_refused_with_path_and_position(source: Source, path: str) -> None:
    """No encoding has bytes for them, so they cannot be counted, stored or sent."""
    with pytest.raises(InvalidInputError, match=r"lone surrogate U\+D[0-9A-F]{3} at position \d"):
        read((TextSource(text="fine"), source), tokenizer="o200k")
    with pytest.raises(InvalidInputError) as caught:
        read((source,), tokenizer="o200k")

    assert caught.value.path == f"sources[0].{path}"


def test_nul_bytes_are_content() -> None:
    """They come back as they are."""
    assert read((TextSource(text="a\x00b"),), tokenizer="o200k").units.text == "a\x00b"


@pytest.mark.parametrize(
    ("source", "path"),
    [
        (MessagesSource(messages=(_row("robot"),)), "messages[0].role"),
        (
            DocumentSource(document=Document(parts=(Part(text="a"), Part(text="b", role="x")))),
            "document.parts[1].role",
        ),
    ],
)
def test_an_unknown_role_is_refused_even_when_lenient(source: Source, path: str) -> None:
    """The message lists the roles there are."""
    with pytest.raises(InvalidInputError, match="assistant, developer, function") as caught:
        read((source,), tokenizer="o200k", strict=False)

    assert caught.value.path == f"sources[0].{path}"


@pytest.mark.parametrize("priority", [float("nan"), float("inf"), -1.0])
def test_a_priority_is_a_finite_number_not_below_zero(priority: float) -> None:
    """Anything else would spoil every weight."""
    with pytest.raises(InvalidInputError, match=r"sources\[1\]\.priority"):
        read((TextSource(text="a"), TextSource(text="b", priority=priority)), tokenizer="o200k")


def test_limits_are_refused_by_name() -> None:
    """Sources, and rows of all sources together, are limited."""
    limits = Limits(sources_max=2, messages_max=3)
    two_rows = MessagesSource(messages=(_row("user"), _row("user")))
    two_parts = DocumentSource(document=Document(parts=(Part(text="a"), Part(text="b"))))

    with pytest.raises(TooLargeError, match="sources: 3 is more than the limit of 2"):
        read((TextSource(text=""),) * 3, tokenizer="o200k", limits=limits)
    with pytest.raises(TooLargeError, match="4 is more than the limit of 3"):
        read((two_rows, two_parts), tokenizer="o200k", limits=limits)


def test_keep_marks_in_a_tools_output_are_plain_text() -> None:
    """What a tool returns is nobody's instruction: it cannot pin itself."""
    units = _chat(
        _call("c1"),
        _result("c1", "<keep>mine</keep> and more. " * 9),
        _row("user", "So? <keep>ours</keep>"),
        _row("user", "The question"),
    ).units
    pinned = {units.unit(i) for i in range(len(units)) if units.pinned[i]}

    assert not any("mine" in text for text in pinned)
    assert any("ours" in text for text in pinned)
