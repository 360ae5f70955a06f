"""What a request may hold: tokens by its own figure or by what its dollars buy, and bytes."""

from dataclasses import dataclass, replace

from tierfold.context import Budget
from tierfold.errors import BudgetTooSmallError

# An upper line through the peaks of eight kinds of text, 1k to 425k tokens (tracemalloc); most of
# a unit's share is the balanced stage, which asks all nodes of its trees at once.
_FIXED_BYTES = 500_000
_TEXT_COPIES = 2  # the sources' own text and the table's
_BYTES_PER_TOKEN = 60
_BYTES_PER_UNIT = 2_800


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenLimit:
    """The tighter of `max_tokens` and `cost_usd`, and which of them it is."""

    tokens: int | None  # None where neither was given
    resource: str = "max_tokens"
    usd_per_token: float = 0.0
    usd_fixed: float = 0.0  # CPU, whatever is kept

    def less(self, tokens: int) -> "TokenLimit":
        """Return the limit with some tokens kept back."""
        return self if self.tokens is None else replace(self, tokens=self.tokens - tokens)

    def too_small(self, minimum: int) -> BudgetTooSmallError:
        """Return the refusal, in the unit of the budget that binds."""
        if self.resource == "max_tokens":
            asked = float(self.tokens or 0)
            return BudgetTooSmallError(resource=self.resource, asked=asked, minimum=minimum)
        return BudgetTooSmallError(
            resource=self.resource,
            asked=self._usd(self.tokens or 0),
            minimum=self._usd(minimum + 1),  # a whole token of room for rounding
        )

    def _usd(self, tokens: int) -> float:
        return tokens * self.usd_per_token + self.usd_fixed


def token_limit(budget: Budget, *, usd_per_token: float, usd_fixed: float) -> TokenLimit:
    """Return the limit of a budget at these prices; free tokens are not bound by dollars."""
    if budget.cost_usd is None or usd_per_token <= 0:
        return TokenLimit(tokens=budget.max_tokens)
    affordable = int(max(0.0, budget.cost_usd - usd_fixed) / usd_per_token)
    if budget.max_tokens is not None and budget.max_tokens <= affordable:
        return TokenLimit(tokens=budget.max_tokens)
    return TokenLimit(
        tokens=affordable,
        resource="cost_usd",
        usd_per_token=usd_per_token,
        usd_fixed=usd_fixed,
    )


def require_memory(budget: Budget, *, text_bytes: int, tokens: int, units: int) -> None:
    """Raise BudgetTooSmallError where working set and answer would pass `memory_bytes`."""
    needed = _FIXED_BYTES + _TEXT_COPIES * text_bytes
    needed += _BYTES_PER_TOKEN * tokens + _BYTES_PER_UNIT * units
    if budget.memory_bytes is not None and needed > budget.memory_bytes:
        raise BudgetTooSmallError(
            resource="memory_bytes", asked=budget.memory_bytes, minimum=needed
        )
