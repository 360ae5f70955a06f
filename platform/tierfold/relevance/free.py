"""The units a selection chooses among, and what is known of them before any question."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tierfold.relevance.index import Postings
from tierfold.relevance.signals import DoubleArray
from tierfold.relevance.vocabulary import BRACKET
from tierfold.text.table import Kind, Role, UnitTable


@dataclass(frozen=True, slots=True, kw_only=True)
class FreeUnits:
    """The free units of a table: what stays anyway is no evidence found."""

    places: NDArray[np.int64]  # (m,) in the table
    tokens: DoubleArray  # (m,)
    tokens_sum: float
    is_trace: bool  # whether some tool has answered
    code_share: float
    bracket_share: float

    @classmethod
    def of(cls, units: UnitTable, postings: Postings) -> "FreeUnits":
        """Look at a table once."""
        places = np.flatnonzero(~(units.framing | units.pinned))
        count = max(len(places), 1)
        tokens = units.tokens[places].astype(np.float64)
        return cls(
            places=places,
            tokens=tokens,
            tokens_sum=float(tokens.sum()),
            is_trace=bool((units.role == Role.TOOL).any()),
            code_share=float((units.kind[places] == Kind.CODE).sum()) / count,
            bracket_share=float((postings.marks[places, BRACKET] > 0).sum()) / count,
        )
