"""How an answer's budget was split over several sources."""

from collections.abc import Sequence

import numpy as np

from tierfold.context import MessagesSource, Source, SourceShare
from tierfold.processing.counting import tokens_of
from tierfold.text import TOKENS_REPLY, Intake, TokenCounter


def shares_of(
    sources: tuple[Source, ...],
    intake: Intake,
    counter: TokenCounter,
    *,
    tokens_unread: Sequence[int] = (),
) -> tuple[SourceShare, ...]:
    """Return what each source has of the answer's tokens; nothing where there is one alone.

    `sources` are those of the answer, `intake` is what was read of the caller's, `tokens_unread`
    what was not.
    """
    if len(sources) == 1:
        return ()
    after = [_tokens(source, counter) for source in sources]
    before = _tokens_by_source(intake, len(sources))
    unread = tokens_unread or (0,) * len(sources)
    total = sum(after) or 1
    return tuple(
        SourceShare(
            source=index,
            prompt_tokens=tokens,
            original_prompt_tokens=before[index] + unread[index],
            share=tokens / total,
        )
        for index, tokens in enumerate(after)
    )


def _tokens(source: Source, counter: TokenCounter) -> int:
    """Return a source's own tokens: what a provider adds for its reply belongs to none."""
    tokens = tokens_of((source,), counter)
    return tokens - TOKENS_REPLY if isinstance(source, MessagesSource) else tokens


def _tokens_by_source(intake: Intake, count: int) -> list[int]:
    source_of_block = np.array([block.origin.source for block in intake.blocks], np.int64)
    units = intake.units
    tokens = np.bincount(source_of_block[units.block], weights=units.tokens, minlength=count)
    source_of_row = np.array([row.source for row in intake.rows], np.int64)
    tokens += np.bincount(source_of_row, weights=intake.row_overhead, minlength=count)
    return [round(each) for each in tokens.tolist()]
