from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tierfold.context import Tokenizer
from tierfold.processing.counting import PiecewiseCounter, pieces
from tierfold.text import token_counter

odd = st.text(st.sampled_from("aB1 .,/\t\r\n\u00a0'-日🎉\x0b\x85"), max_size=60) | st.text(
    max_size=60
)


@pytest.mark.parametrize("tokenizer", get_args(Tokenizer))
@given(text=odd)
def test_pieces_count_what_the_whole_counts(tokenizer: Tokenizer, text: str) -> None:
    """No token reaches across a cut, in either encoding."""
    counter = token_counter(tokenizer)

    assert text == "".join(pieces(text))
    assert counter.count(text) == PiecewiseCounter(counter).count(text)
