"""Keep marks: text between `<keep>` and `</keep>` stays, whatever the budget."""

import re

_TAG = re.compile(r"<(/?)keep>")


def kept_spans(text: str) -> tuple[tuple[int, int], ...]:
    """Return the spans between balanced marks, marks included, in order and apart.

    A mark without its partner is plain text. Nested pairs count as the outer one. A single space
    before the opening mark goes with it, since ` <` is one token.
    """
    if "</keep>" not in text:
        return ()
    opened: list[int] = []
    spans: list[tuple[int, int]] = []
    for tag in _TAG.finditer(text):
        if not tag[1]:
            opened.append(tag.start())
        elif opened:
            start = _with_space(text, opened.pop())
            while spans and spans[-1][0] >= start:
                spans.pop()
            spans.append((start, tag.end()))
    return tuple(spans)


def _with_space(text: str, start: int) -> int:
    if start > 1 and text[start - 1] == " " and not text[start - 2].isspace():
        return start - 1
    return start
