"""Settings: one frozen tree, read once at the edge and passed down."""

from dataclasses import dataclass, field
from types import MappingProxyType

from tierfold.errors import InvalidInputError

_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one request may be; each number is refused by name when passed."""

    body_bytes_max: int = 64 * _MIB  # 16M tokens of English; parsing it takes about .3 s
    messages_max: int = 100_000  # as many one-word rows as fit a body in practice
    sources_max: int = 1_000
    depth_max: int = 200  # of nested JSON around and inside messages
    question_characters_max: int = 100_000
    inline_body_bytes_max: int = 1 * _MIB  # larger bodies are parsed in a worker process

    def __post_init__(self) -> None:
        """Check the relations between the limits."""
        if self.inline_body_bytes_max > self.body_bytes_max:
            msg = "inline_body_bytes_max must not be above body_bytes_max"
            raise InvalidInputError(msg, path="limits")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPrice:
    """Dollars per million input tokens of one model."""

    fresh_usd: float
    cache_read_usd: float
    cache_write_usd: float


def _list_prices() -> MappingProxyType[str, ModelPrice]:
    return MappingProxyType(
        {
            "none": ModelPrice(fresh_usd=0.0, cache_read_usd=0.0, cache_write_usd=0.0),
            "small": ModelPrice(fresh_usd=0.25, cache_read_usd=0.025, cache_write_usd=0.3125),
            "medium": ModelPrice(fresh_usd=3.0, cache_read_usd=0.3, cache_write_usd=3.75),
            "large": ModelPrice(fresh_usd=15.0, cache_read_usd=1.5, cache_write_usd=18.75),
        }
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """What tokens and CPU seconds cost; replace the table by your contract's figures."""

    dated: str = "2026-11-22"
    models: MappingProxyType[str, ModelPrice] = field(default_factory=_list_prices)
    cpu_second_usd: float = 0.04 / 3600  # one on-demand vCPU hour

    def model(self, name: str) -> ModelPrice:
        """Return the price of the model; raises InvalidInputError when it is not in the table."""
        if name not in self.models:
            known = ", ".join(self.models)
            msg = f"no price for model {name!r}; the table of {self.dated} has: {known}"
            raise InvalidInputError(msg, path="model")
        return self.models[name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The whole tree."""

    limits: Limits = field(default_factory=Limits)
    prices: Prices = field(default_factory=Prices)
