"""Which tool result answers which call."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from tierfold.context import Message
from tierfold.context.message import CHAT_ROLES
from tierfold.errors import InvalidInputError

_Key = tuple[str, str | None]  # role of the result, and the call's id or the function's name


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairing:
    """The state of one walk over the rows of a chat, which may go on when rows are added.

    Strict rules, those of the providers: every result has one call before it, every call one
    result, except calls at the very end, whose results are still to come.
    """

    path: str
    strict: bool
    callers: list[int] = field(default_factory=list)  # row of the call each answers, else its own
    waiting: dict[_Key, tuple[int, int]] = field(default_factory=dict)  # row and index of the call
    answered: dict[_Key, int] = field(default_factory=dict)  # row of the call

    def copy(self) -> "Pairing":
        """Return the same state, to walk on from without changing this one."""
        return Pairing(
            path=self.path,
            strict=self.strict,
            callers=self.callers.copy(),
            waiting=self.waiting.copy(),
            answered=self.answered.copy(),
        )

    def walk(self, messages: Iterable[Message]) -> None:
        """Go on over the next rows; raises InvalidInputError where a rule is broken."""
        for row, message in enumerate(messages, start=len(self.callers)):
            if message.role not in CHAT_ROLES:
                known = ", ".join(sorted(CHAT_ROLES))
                problem = f"unknown role {message.role!r}; use one of: {known}"
                raise InvalidInputError(problem, path=f"{self.path}[{row}].role")
            if message.role in {"tool", "function"}:
                name = message.tool_call_id if message.role == "tool" else message.name
                self.callers.append(self._answer(row, (message.role, name)))
                continue
            self.callers.append(row)
            for index, key in enumerate(_calls(message)):
                self._call(row, index, key)

    def open_rows(self) -> set[int]:
        """Return the row at the very end whose results are still to come."""
        last = self.callers[-1] if self.callers else 0
        is_at_end = all(caller == last for caller in self.callers[last:])
        for key, (row, index) in self.waiting.items():
            if row != last or not is_at_end:
                self._refuse(row, _place(key, index), f"the call {key[1]!r} has no result")
        return {row for row, _ in self.waiting.values() if row == last and is_at_end}

    def _refuse(self, row: int, place: str, problem: str) -> None:
        """Raise unless lenient."""
        if self.strict:
            raise InvalidInputError(problem, path=f"{self.path}[{row}].{place}")

    def _answer(self, row: int, key: _Key) -> int:
        """Return the row of the call that this row answers, else the row itself."""
        if key in self.waiting:
            caller, _ = self.waiting.pop(key)
            self.answered[key] = caller
            return caller
        place = "tool_call_id" if key[0] == "tool" else "name"
        if key in self.answered:
            self._refuse(row, place, f"the call {key[1]!r} has its result already")
            return self.answered[key]
        self._refuse(
            row, place, f"a result for {key[1]!r}, but no call before it has this {_word(key)}"
        )
        return row

    def _call(self, row: int, index: int, key: _Key) -> None:
        """Note that a call waits for its result."""
        if key in self.waiting:
            self._refuse(row, _place(key, index), f"an earlier call {key[1]!r} has no result yet")
        self.waiting[key] = (row, index)


def _calls(message: Message) -> Iterator[_Key]:
    for call in message.tool_calls:
        yield "tool", call.id
    function = message.raw.get("function_call")
    if isinstance(function, Mapping):
        yield "function", str(function.get("name"))


def _place(key: _Key, index: int) -> str:
    return f"tool_calls[{index}].id" if key[0] == "tool" else "function_call"


def _word(key: _Key) -> str:
    return "id" if key[0] == "tool" else "name"
