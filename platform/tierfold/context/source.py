"""What a request wants folded: plain text, a chat, or a document in parts."""

from dataclasses import dataclass

from tierfold.context.message import Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A piece of a document whose borders the caller chose; it is kept whole or dropped."""

    text: str
    role: str | None = None  # a chat role, where the document is a transcript


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A titled text, whole (`text`) or in parts; parts joined without anything between are it."""

    id: str | None = None
    title: str = ""
    text: str = ""
    parts: tuple[Part, ...] | None = None  # None where the text is whole

    @property
    def whole_text(self) -> str:
        """The text, or the parts joined."""
        return self.text if self.parts is None else "".join(part.text for part in self.parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class TextSource:
    """Plain text."""

    text: str
    priority: float = 1.0  # weight of its units against those of other sources


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagesSource:
    """A chat."""

    messages: tuple[Message, ...]
    priority: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentSource:
    """One document."""

    document: Document
    priority: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextSource:
    """A stored context, by its id; read before the engine sees it."""

    id: str
    priority: float = 1.0


Source = TextSource | MessagesSource | DocumentSource
