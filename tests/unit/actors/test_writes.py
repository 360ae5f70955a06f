import orjson
import pytest

from tierfold.config import Limits
from tierfold.context.manifest import Shape
from tierfold_actors.writes import packed_write, parse_write, unpacked_write

LIMITS = Limits()
ROW = {"role": "user", "content": "Find me a flight."}


@pytest.mark.parametrize(
    ("route", "body", "shape"),
    [
        ("create", {"messages": [ROW], "id": "trip"}, Shape.MESSAGES),
        ("create", {"text": ""}, Shape.TEXT),
        ("put", {"document": {"parts": [{"text": "a"}]}}, Shape.PARTS),
        ("put", {"document": {"text": "a"}}, Shape.TEXT),
        ("append", {"parts": [{"text": "a"}], "expected_version": 2}, Shape.PARTS),
    ],
)
def test_a_change_is_the_same_in_whichever_process_it_is_parsed(
    route: str, body: object, shape: Shape
) -> None:
    """Large bodies are parsed in a process of their own."""
    encoded = orjson.dumps(body)
    here = parse_write(route, encoded, LIMITS)  # type: ignore[arg-type]  # parametrized
    there = unpacked_write(packed_write(route, encoded, LIMITS))  # type: ignore[arg-type]  # as above

    assert here == there
    assert here.contents.shape is shape
