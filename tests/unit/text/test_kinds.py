"""The guess of what a text is made of."""

import json

import pytest

from tierfold.text import Kind, guess_kind

_RECORD = '{"level": "info", "message": "started", "port": 8080}\n'
_PYTHON = '''import os

@decorator
def function(argument: int) -> int:
    """Return one more."""
    value = argument + 1
    return value


class Thing:
    """A thing."""

    name = "x"
'''
_DOCUMENTED = (
    "import os\nfrom sys import path\n\n"
    'def function(argument):\n    """Say what it does.\n'
    + "    This goes on for many lines of plain English text.\n" * 6
    + '    """\n    return 1\n\n'
) * 4
_YAML = "kind: Pod\nmetadata:\n  name: web\n  labels:\n    app: web\nspec:\n  replicas: 3\n"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", Kind.PROSE),
        ("   \n \n", Kind.PROSE),
        ("One sentence. Another.", Kind.PROSE),
        ("[see the link](https://example.org) and [1]", Kind.PROSE),
        ("# Title\n\nSome text.\n\n- item\n- item two\n", Kind.PROSE),
        ("Look:\n```python\nimport os\nx = 1\ny = 2\n```\n", Kind.PROSE),
        ("To: all\nFrom: me\nSubject: news\n\nPlease read this.\n", Kind.PROSE),
        ('{"a": 1}', Kind.JSON),
        (" [1, 2]\n", Kind.JSON),
        ("{}", Kind.JSON),
        ("[" * 2_000 + "]" * 2_000, Kind.PROSE),
        ("2024-05-01T10:00:00Z started\n2024-05-01T10:00:01Z stopped\n", Kind.LOG),
        ("[2024-05-01 10:00:00,123] a\n  more\n[2024-05-01 10:00:00,124] b\n", Kind.LOG),
        ("INFO: started\nERROR: failed\n  at x\n", Kind.LOG),
        ("May  1 10:00:00 host sshd[1]: a\nMay 11 10:00:00 host sshd[1]: b\n", Kind.LOG),
        ('1.2.3.4 - - [01/May/2024:10:00:00 +0000] "GET / HTTP/1.1" 200 1\n' * 3, Kind.LOG),
        (_RECORD * 5, Kind.LOG),
        ("{broken}\n" * 5, Kind.CODE),
        ("| a | b |\n|---|---|\n| 1 | 2 |\n", Kind.TABLE),
        ("a,b,c\n1,2,3\n4,5,6\n", Kind.TABLE),
        ('name,price\n"A, b",3\nx,5\n', Kind.TABLE),
        ("a\tb\n1\t2\n3\t4", Kind.TABLE),
        ("Red,white.\nOne,two.\nThree,four.\n", Kind.PROSE),
        ("Red, white, blue\nOne, two\nThree\n", Kind.PROSE),
        ("user: hi\nassistant: hello\n", Kind.DIALOGUE),
        ("Ann: hi\nBob: hello\nand more\nAnn: yes\n", Kind.DIALOGUE),
        (
            "[4:04 pm on 20 January, 2023] Gina: Hey!\n[4:05 pm on 20 January, 2023] Jon: Hi.\n",
            Kind.DIALOGUE,
        ),
        ("12/03/2024, 10:32 - Bob: hi\n12/03/2024, 10:33 - Ann: hi\n", Kind.DIALOGUE),
        (_PYTHON, Kind.CODE),
        (_DOCUMENTED, Kind.CODE),
        (_YAML, Kind.CODE),
        ("#include <stdio.h>\nint main(void) {\n  return 0;\n}\n", Kind.CODE),
        ("<html>\n<body>\n<p>text</p>\n</body>\n</html>\n", Kind.CODE),
    ],
)
def test_plain_cases(text: str, kind: Kind) -> None:
    """Each kind is known by what people paste."""
    assert guess_kind(text) is kind


@pytest.mark.parametrize("part", ["begin", "middle", "end"])
def test_a_long_text_is_judged_by_a_sample(part: str) -> None:
    """A paragraph of another kind somewhere in a long log changes nothing."""
    lines = ["2024-05-01T10:00:00Z request served"] * 3_000
    place = {"begin": 0, "middle": 1_500, "end": 3_000}[part]
    lines[place:place] = ["Some words of prose in one line."] * 10

    assert guess_kind("\n".join(lines)) is Kind.LOG


def test_long_lines_widen_the_sample() -> None:
    """Turns of a thousand characters are still seen as turns."""
    turns = [f"Speaker {n % 2}: " + "many words " * 120 for n in range(60)]

    assert guess_kind("\n".join(turns)) is Kind.DIALOGUE


def test_json_that_is_large_is_parsed_whole() -> None:
    """Only a text that is strictly one value is JSON."""
    text = json.dumps([{"a": "b" * 50}] * 1_000)

    assert guess_kind(text) is Kind.JSON
    assert guess_kind(text + "\n" + text) is not Kind.JSON
