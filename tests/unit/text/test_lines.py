"""Logs, code, tables, fences, keep marks."""

import pytest

from tierfold.text import NO_FRAME, Kind, Pieces, cut

_CELL = "| one | two |\n"
_RULE = "|:---|---:|\n"


def _units(text: str, pieces: Pieces) -> list[str]:
    return [text[start:end] for start, end in zip([0, *pieces.ends[:-1]], pieces.ends, strict=True)]


def _frames(text: str) -> list[tuple[str, int, bool, int]]:
    pieces = cut(text)
    shape = pieces.shape
    assert shape is not None
    return list(zip(_units(text, pieces), shape.frame, shape.framing, shape.kind, strict=True))


def test_a_log_record_keeps_its_stack_trace() -> None:
    """Lines without a stamp belong to the record above them."""
    records = [
        "2024-05-01 10:00:00 ERROR boom\nTraceback (most recent):\n  File x\nValueError\n",
        "2024-05-01 10:00:01 INFO ok\n",
        "2024-05-01 10:00:02 INFO ok",
    ]
    text = "".join(records)

    assert _units(text, cut(text)) == records


def test_no_record_is_the_whole_log() -> None:
    """A record of very many lines is cut."""
    text = "2024-05-01 10:00:00 ERROR boom\n" * 200 + "  at frame\n" * 190

    assert max(map(len, _units(text, cut(text)))) < 600


def test_lines_of_json_are_records() -> None:
    """Each line is a unit, none is cut inside."""
    lines = [f'{{"n": {n}, "message": "some words"}}\n' for n in range(50)]
    text = "".join(lines)

    assert _units(text, cut(text)) == lines


def test_code_is_cut_before_definitions_and_at_blank_lines() -> None:
    """Comments and decorators stay with what follows; short blocks are joined."""
    blocks = [
        "import os\nimport sys\nfrom pathlib import Path\n\n",
        "# The constant.\nVALUE = 1\n\n\n",
        "# Why it is so.\n@decorator\ndef first(argument):\n    return argument\n\n\n",
        "class Thing:\n    name = 1\n    other = 2\n\n",
        "    def method(self):\n        return self.name\n",
    ]
    text = "".join(blocks)
    pieces = cut(text)

    assert pieces.kind is Kind.CODE
    assert _units(text, pieces) == blocks


def test_a_block_of_code_has_at_most_sixteen_lines() -> None:
    """A long run of statements is cut, whatever its layout."""
    text = "".join(f"value_{n} = compute({n})\n" for n in range(100))
    units = _units(text, cut(text))

    assert [unit.count("\n") for unit in units] == [16] * 6 + [4]


def test_a_minified_line_of_code_is_cut() -> None:
    """One line of 100,000 characters is not one unit."""
    text = "function a(){return 1;}\n" * 3 + "var x=1;" * 12_000 + "\n"

    assert max(map(len, _units(text, cut(text)))) <= 4_000


@pytest.mark.parametrize("rule", [_RULE, ""])
def test_the_header_of_a_table_is_framing(rule: str) -> None:
    """Rows are units, the lines above them are paid once."""
    units = _frames(_CELL + rule + _CELL * 3)

    head = 1 + bool(rule)
    assert [framing for _, _, framing, _ in units] == [True] * head + [False] * 3
    assert {frame for _, frame, _, _ in units} == {0}


def test_a_quoted_cell_may_hold_line_breaks() -> None:
    """A row ends at a line break outside of quotes; a quote left open ends by itself."""
    rows = [f"{n},two,three\n" for n in range(40)]
    quoted = '1,"two\nand more",three\n'
    text = "a,b,c\n" + quoted + "".join(rows)
    assert _frames(text)[1][0] == quoted

    text = "a,b,c\n" + '1,"two,three\n' + "".join(rows * 5)
    assert len(_frames(text)) > 100

    text = "a,b,c\n" + "".join(rows) + '1,"two,three\nand more'
    assert _frames(text)[-1][0] == '1,"two,three\nand more'


def test_blank_lines_belong_to_the_row_above() -> None:
    """A table has no units of white space alone."""
    units = ["\na,b,c\n\n", "11,22,33\n", "44,55,66\n\n\n", "77,88,99"]

    assert [unit for unit, *_ in _frames("".join(units))] == units


def test_rows_of_a_few_characters_share_a_unit() -> None:
    """A unit costs a marker when it goes, so it holds at least eight characters."""
    units = _frames("a,b,c\n" + "1,2,3\n" * 5)

    assert [unit for unit, *_ in units] == ["a,b,c\n", *["1,2,3\n1,2,3\n"] * 2, "1,2,3\n"]


def test_a_table_of_a_header_alone_has_no_frame() -> None:
    """There is nothing that needs the header."""
    text = "Words.\n\n" + "and more words " * 10 + "\n\n" + _CELL + _RULE

    assert {frame for _, frame, _, _ in _frames(text)} == {NO_FRAME}


def test_a_table_in_prose_is_a_frame() -> None:
    """Its rows are of kind table, the text around it is prose; pipes without a rule are prose."""
    prose = "Some sentence before the table, long enough to be one by itself.\n\n"
    text = prose + _CELL + _RULE + _CELL + "\n" + prose + "| a pipe\n| another\n" + prose
    units = _frames(text)

    kinds = [kind for *_, kind in units]
    assert kinds == [Kind.PROSE] + [Kind.TABLE] * 3 + [Kind.PROSE] * 4
    assert [framing for _, _, framing, _ in units] == [False, True, True] + [False] * 5


def test_a_heading_with_tildes_below_is_no_fence() -> None:
    """They underline the heading, as in reStructuredText."""
    section = "A heading\n~~~~~~~~~\n\nSome words of prose that stand below the heading.\n\n"
    units = _frames(section * 4)

    assert {(frame, kind) for _, frame, _, kind in units} == {(NO_FRAME, Kind.PROSE)}
    assert units[0][0] == "A heading\n~~~~~~~~~\n\n"


def test_a_large_fence_is_a_frame_and_its_lines_are_code() -> None:
    """The two fence lines are kept exactly when something between them is."""
    code = "".join(f"value_{n} = compute({n})\n" for n in range(40))
    text = f"Look at this code:\n\n```python\n{code}```\n\nThat was the code.\n"
    units = _frames(text)

    assert [unit for unit, _, framing, _ in units if framing] == ["```python\n", "```\n\n"]
    assert [frame for _, frame, _, _ in units] == [NO_FRAME, 0, 0, 0, 0, 0, NO_FRAME]
    assert (
        "".join(unit for unit, frame, _, kind in units if kind == Kind.CODE).count("value_") == 40
    )


def test_a_small_fence_is_one_unit() -> None:
    """A dozen lines are not worth a frame."""
    fence = "~~~~\n" + "x = 1\n" * 10 + "```\n" + "~~~~~\n"
    text = "Some words of prose. " * 5 + "\n" + fence + "The end of the text."
    units = _frames(text)

    assert units[-2] == (fence, NO_FRAME, False, Kind.CODE)


def test_a_fence_left_open_runs_to_the_end() -> None:
    """As Markdown has it; its first line alone is framing."""
    code = "".join(f"value_{n} = compute({n})\n" for n in range(40))
    units = _frames("Some words of prose before the code.\n" + "words " * 20 + "\n```\n" + code)

    assert [unit for unit, _, framing, _ in units if framing] == ["```\n"]
    assert units[-1][1:] == (0, False, Kind.CODE)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Some words. <keep>This stays.</keep> Others go.", [" <keep>This stays.</keep>"]),
        ("<keep>All of it</keep>", ["<keep>All of it</keep>"]),
        ("a<keep>b</keep><keep>c</keep>d", ["<keep>b</keep>", "<keep>c</keep>"]),
        ("x <keep>a<keep>b</keep>c</keep> y", [" <keep>a<keep>b</keep>c</keep>"]),
        ("x <keep>left open", []),
        ("left open</keep> x", []),
        ("x <keep>y <keep>z</keep> w", [" <keep>z</keep>"]),
        ("</keep>a<keep>", []),
    ],
)
def test_text_between_keep_marks_is_kept(text: str, kept: list[str]) -> None:
    """Borders stand at balanced marks; a mark without its partner is plain text."""
    pieces = cut(text)

    assert [text[start:stop] for start, stop in pieces.kept] == kept
    borders = {0, *pieces.ends}
    assert all(start in borders and stop in borders for start, stop in pieces.kept)


def test_a_mark_inside_a_frame_cuts_the_unit_it_is_in() -> None:
    """Both parts stay in the frame."""
    text = _CELL + _RULE + "| a <keep>b</keep> c | d |\n" + _CELL
    units = _frames(text)

    assert [unit for unit, *_ in units[2:5]] == ["| a", " <keep>b</keep>", " c | d |\n"]
    assert [frame for _, frame, _, _ in units] == [0] * 6
