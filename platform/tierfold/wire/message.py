"""OpenAI-shaped chat messages on the wire."""

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    ModelWrapValidatorHandler,
    TypeAdapter,
    ValidationError,
    WrapValidator,
)

from tierfold.context import Message, OpaquePart, TextPart, ToolCall
from tierfold.wire.body import Json, as_invalid_input


class _Open(BaseModel):
    """A shape that lets through what it does not know: the caller's row comes back equal."""

    model_config = ConfigDict(extra="allow")


class FunctionModel(_Open):
    """The function a tool call names."""

    name: str
    arguments: str | None = None


class CustomModel(_Open):
    """The custom tool a call names; its input is free text."""

    name: str
    input: str | None = None


class ToolCallModel(_Open):
    """One tool call of an assistant row."""

    id: str
    type: str = "function"
    function: FunctionModel | None = None
    custom: CustomModel | None = None


class PartModel(_Open):
    """One part of a row's content; parts that are not text pass through untouched."""

    type: str
    text: str | None = None


class MessageModel(_Open):
    """One row of a chat."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[PartModel] | None = None
    name: str | None = None
    tool_calls: list[ToolCallModel] | None = None
    tool_call_id: str | None = None


def _to_value(raw: Json, handler: ModelWrapValidatorHandler[MessageModel]) -> Message:
    """Validate the row and keep the caller's own object beside what was understood."""
    if isinstance(raw, Message):
        return raw
    model = handler(raw)
    return Message(
        role=model.role,
        content=_content(model.content, raw),
        name=model.name,
        tool_calls=tuple(_tool_call(call) for call in model.tool_calls or ()),
        tool_call_id=model.tool_call_id,
        raw=raw,
    )


def _content(
    content: str | list[PartModel] | None, raw: dict[str, Any]
) -> str | tuple[TextPart | OpaquePart, ...] | None:
    if content is None or isinstance(content, str):
        return content
    return tuple(
        OpaquePart(source)
        if part.type != "text" or part.text is None
        else TextPart(part.text, source)
        for part, source in zip(content, raw["content"], strict=True)
    )


def _tool_call(call: ToolCallModel) -> ToolCall:
    if call.custom is not None:
        return ToolCall(id=call.id, name=call.custom.name, arguments=call.custom.input or "")
    function = call.function or FunctionModel(name=call.type)
    return ToolCall(id=call.id, name=function.name, arguments=function.arguments or "")


MessageField = Annotated[MessageModel, WrapValidator(_to_value)]  # validates to a Message
_ROWS = TypeAdapter(list[MessageField])


def parse_messages(rows: Json) -> tuple[Message, ...]:
    """Return the rows as values; raises InvalidInputError with the path of a malformed one."""
    try:
        return tuple(_ROWS.validate_python(rows))  # type: ignore[arg-type]  # the wrapper returns values
    except ValidationError as error:
        raise as_invalid_input(error, root="messages") from error
