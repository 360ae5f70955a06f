"""The building of one working set, as plain values that travel to another process."""

from dataclasses import dataclass, field

from tierfold.config import Limits
from tierfold.context import Tokenizer
from tierfold.context.stored import ContextInfo
from tierfold.engine.working.loaded import Loaded, build


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """A context whose working set is to be made, here or elsewhere."""

    info: ContextInfo
    bodies: tuple[bytes, ...] = field(repr=False)
    tokenizer: Tokenizer
    digest: bytes
    limits: Limits

    @property
    def size_bytes(self) -> int:
        """Bytes of the text it is about: how long it will take."""
        return self.info.head.size_bytes

    def here(self) -> Loaded:
        """Make it in this thread; raises CorruptError, TooLargeError."""
        return build(
            self.info,
            self.bodies,
            tokenizer=self.tokenizer,
            digest=self.digest,
            limits=self.limits,
        )
