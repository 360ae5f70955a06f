"""Sentences, lines, and what is too long for either."""

import pytest

from tierfold.text import Kind, cut


def _units(text: str) -> list[str]:
    ends = cut(text).ends
    return [text[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True)]


@pytest.mark.parametrize(
    "units",
    [
        ["The first sentence.", " The second sentence.", " The third one!"],
        ["It ends with a line break.\n", "A new line begins.\n\n\n", "  A paragraph, too."],
        ["Mr. Smith of the U.S. Army paid $3.14 for file.py.", " He left it, e.g. Fig. 3, alone."],
        [
            "See section no. 5 for what is said.",
            " The answer he gave was no.",
            " Then he left again.",
        ],
        ["J. R. Smith came with Dr. Jones.", ' "Was it any good?"', " Nobody knew the answer."],
        ["We waited... and waited for it.", " This is what came of all the waiting."],
        ["this is lower case from begin to end of it.", " and so is this one, of course."],
        ["Is yahoo! a word that ends here? maybe, maybe not."],
        ["Yes. No. It was not so in the end.", " This is another sentence. Ok."],
        ["1. First item. With two sentences.\n", "2. Second\n   goes on\n", "- a bullet\n"],
        ["# Heading\n", "Text below the heading.\n\n", "Title\n=====\n\n", "More text here."],
        [
            "A paragraph that was broken by hand after a few\nwords, so its lines are one.\n",
            "The next sentence.",
        ],
        [
            "   indented paragraph broken by hand after some words\n   and going on.\n",
            "   Next one.",
        ],
        ["A stop after much space" + " " * 30 + ".", " And then another sentence."],
        ["Yes.\nNo.\n", "Perhaps so.\n", "No more\n"],
        ["这是一句话。", "还有一句\uff01", "真的不知道吗\uff1f\n", "没有句号"],
        ["नमस्ते दुनिया।", " यह दूसरा वाक्य है।"],
        ["هل هذا سؤال؟", " نعم هذا سؤال كبير."],
        ["\n\nText after blank lines.\n", "And blank ones at the end.\n  \n "],
        [
            "src/package/module_one.py:12: value = compute(argument)\n",
            "src/package/module_two.py:9: value = compute(argument, other)\n",
        ],
        [
            "drwxr-xr-x 2 root root 4096 Nov 24 12:05 one_directory\n",
            "drwxr-xr-x 2 root root 4096 Nov 24 12:06 two_directory\n",
        ],
        [
            "A title of a page about something that is quite long\n",
            "Another title of a page, no shorter than that before\n",
        ],
        [
            "the first of two lines that both stand by themselves\n",
            "here a word more would have found its place on the line above it\n",
        ],
        ["> a quoted line that is long enough to be wrapped by hand\n", "> and another\n"],
        ["Key: a value that is long enough to have been broken here\n", "Other: value\n"],
    ],
)
def test_sentences_and_lines(units: list[str]) -> None:
    """Spaces go to the unit that follows, line breaks to the one they end; no unit is tiny."""
    assert _units("".join(units)) == units


def test_a_long_list_item_is_cut_into_sentences() -> None:
    """An item is a line until it is as long as a paragraph."""
    sentence = "This sentence is one of many in the item."
    item = "- " + " ".join([sentence] * 12)

    assert 1 < len(_units(item)) < 12


def test_what_has_no_sentences_is_cut_at_spaces() -> None:
    """Words stay whole and the space goes to the next unit."""
    units = _units("word " * 2_000)

    assert all(unit.startswith(" word") and unit.endswith("word") for unit in units[1:-1])
    assert max(map(len, units)) <= 1_000


def test_what_has_no_spaces_is_cut_at_other_white_space_first() -> None:
    """Tabs and wide spaces are borders too."""
    units = _units(("x" * 40 + "\u3000") * 60)

    assert all(unit.startswith("\u3000") for unit in units[1:])


@pytest.mark.parametrize(
    "cluster", ["e\u0301", "👩\u200d👩\u200d👧", "👍🏽", "ᄀ\u1161", "\r\n"[0] + "x"]
)
def test_a_hard_cut_spares_clusters(cluster: str) -> None:
    """What is read as one character is not cut, whatever the offset."""
    for offset in range(4):
        units = _units("x" * offset + cluster * 1_000)

        assert len(units) > 1
        assert all(unit.endswith(cluster[-1]) for unit in units)
        assert all(unit.startswith(cluster[0]) for unit in units[1:])


def test_a_line_feed_is_not_parted_from_its_return() -> None:
    """CR and LF are one line break."""
    units = _units(("x" * 499 + "\r\n") * 9)

    assert all(unit.endswith("\r\n") for unit in units)


def test_dialogue_is_cut_into_turns() -> None:
    """A turn is a line with a speaker and the lines up to the next one."""
    turns = ["Ann: Hello. How are you?\n", "Bob: Fine.\nThank you.\n\n", "Ann: Good.\n"]

    assert cut("".join(turns)).kind is Kind.DIALOGUE
    assert _units("".join(turns)) == turns


def test_a_very_long_turn_is_cut_into_sentences() -> None:
    """Nobody needs a lecture whole."""
    text = "Ann: Hello.\nBob: " + "This is a sentence of a lecture. " * 100 + "\nAnn: Good.\n"

    assert len(_units(text)) > 90
