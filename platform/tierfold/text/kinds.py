"""What a text is made of, guessed from a bounded sample of its lines."""

import re

import orjson

from tierfold.text.table import Kind

_WINDOW = 3_000  # characters; a text over three windows is sampled at three places
_WINDOW_WIDE = 12_000  # the same where lines are long
_SAMPLE_LINES_MIN = 30
_LINES_MIN = 3
_SHARE_LIKELY = 0.8
_CODE_SHARE, _CODE_SHARE_OUTER, _CODE_SHARE_LEAST = 0.4, 0.5, 0.12

_STAMP = r"""
    (?: \d{4}[-/]\d\d[-/]\d\d (?:[T ]\d\d:\d\d | \s*[,;|]? )       # 2024-05-01T10:00, 2024/05/01
      | \[\d{4}-\d\d-\d\d[^\]]*\]
      | \d\d:\d\d:\d\d[.,]\d+                                     # 10:00:00.123
      | (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\ {1,2}\d{1,2}\ \d\d:\d\d:\d\d
      | \S{1,60}\ \S{1,40}\ \S{1,40}\ \[\d\d/\w{3}/\d{4}          # web server
      | [IWEF]\d{4}\ \d\d:\d\d                                    # glog
      | 1[0-9]{9}(?:\.\d+|\d{3})?\s                               # seconds or ms since 1970
    )
"""
_LEVEL = r"(?:TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|FATAL|CRITICAL|SEVERE)\b"
LOG_LINE = re.compile(rf"{_STAMP} | [\[(<]?{_LEVEL}", re.VERBOSE)

_TIME = r"""
    (?: \[[^\]\n]{3,32}\] | \([\d:. apmAPM]{3,16}\)
      | \d{1,2}:\d\d(?::\d\d)?(?:\ ?[AaPp]\.?[Mm]\.?)?
      | \d{1,2}[/.]\d{1,2}[/.]\d{2,4},?\ \d{1,2}:\d\d(?::\d\d)?(?:\ ?[AaPp][Mm])?
    )
"""
SPEAKER_LINE = re.compile(
    rf"""
    [ \t]* (?:({_TIME})\s?[-\u2013]?\s?)? \**
    (?!{_LEVEL}) ([^\W\d_][\w.'\u2019 &/()-]{{0,38}}) \s?[:\uff1a]\** (?=\s|$)
    """,
    re.VERBOSE,
)
_SPEAKER_WORDS = """
    user human assistant ai bot agent system customer client speaker interviewer interviewee
    moderator host guest q a operator tool
"""
_SPEAKERS = frozenset(_SPEAKER_WORDS.split())

_MARKDOWN_LINE = re.compile(r" {0,3}```")  # deeper ones stand in the comments of code
FENCE_LINE = re.compile(r"[ \t]*(`{3,}|~{3,})")
_SENTENCE_END = re.compile(r"[.!?\u3002\uff01\uff1f]\s*$")
TABLE_RULE = re.compile(r"[ \t]*\|?[ \t]*:?-{2,}:?[ \t]*(?:\|[ \t]*:?-{2,}:?[ \t]*)*\|?[ \t]*\r?$")

_KEY_LINE = re.compile(r"\s*(?:- )?[\w./-]+:(?=\s|$)")  # of YAML
_CODE_LINE = re.compile(
    r"""
    \s*(?:
      (?:async[ ])?def[ ]\w | class[ ]\w+.*[:{]\s*$ | import[ ][\w.{*"'] | from[ ]\S+[ ]import\b
    | (?:if|elif|while|for|with|except|switch|match|case)\b.*[:{]\s*$ | (?:else|try|finally)\s*[:{]
    | return\b(?:\s*$|\s*[\w("'\[{-].*[;)\]\w]\s*$) | raise[ ]\w+ | @\w[\w.]*(?:\(.*)?$
    | (?:public|private|protected|static|export|function|const|let|var|func|fn|struct|impl|package
        |namespace|using|enum|interface)\b[ ]\S
    | \#(?:include|define|ifdef|endif|!) | // | /\* | \*/ | </?\w[^>]*>
    | [\w.\[\]"']+(?:,[ ]\w+)*[ ]?(?::[ ]?\w[\w.\[\], |]*)?[ ](?:=|\+=|-=|:=|\?=)[ ]\S
    | [\w.]+\([^)]*\)?[,;:{]?\s*$
    | [-+@]{2,3}[ ]\S
    | [\])}]+[,;)]*\s*$
    | (?:SELECT|INSERT|UPDATE|CREATE|DELETE)[ ]\S
    )
    | .*[{};]\s*$
    """,
    re.VERBOSE,
)


def guess_kind(text: str) -> Kind:
    """Return the kind of a text; a wrong guess costs quality, never correctness."""
    if is_json(text):
        return Kind.JSON
    if "\n" not in text:
        return Kind.PROSE
    lines = _sample(text, _WINDOW)
    if len(lines) < _SAMPLE_LINES_MIN:
        lines = _sample(text, _WINDOW_WIDE)
    if not lines or any(map(_MARKDOWN_LINE.match, lines)):
        return Kind.PROSE
    tests = (
        (_is_log, Kind.LOG),
        (_is_table, Kind.TABLE),
        (_is_dialogue, Kind.DIALOGUE),
        (_is_code, Kind.CODE),
    )
    return next((kind for test, kind in tests if test(lines)), Kind.PROSE)


def is_json(text: str) -> bool:
    """Whether the text is one JSON object or array, read strictly."""
    start = text[:64].lstrip()[:1]
    if not start or start not in "[{" or text[-64:].rstrip()[-1:] not in ("]", "}"):
        return False
    try:
        orjson.loads(text)
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        return False
    return True


def _sample(text: str, window: int) -> list[str]:
    """Return lines that are not blank from the text's begin, middle and end."""
    if len(text) <= 3 * window:
        lines = text.split("\n")
    else:
        middle = len(text) // 2
        head = text[:window].split("\n")
        lines = head[:-1] or head
        lines += text[middle : middle + window].split("\n")[1:-1]
        lines += text[-window:].split("\n")[1:]
    return [line for line in lines if line and not line.isspace()]


def _is_log(lines: list[str]) -> bool:
    records = [line for line in lines if not line[0].isspace()]
    if len(records) < _LINES_MIN - 1:
        return False
    objects = sum(line[0] == "{" and line.rstrip()[-1] == "}" for line in records)
    if objects >= 0.9 * len(lines):
        return is_json(records[0])
    return sum(map(bool, map(LOG_LINE.match, records))) >= 0.5 * len(records)


def _is_table(lines: list[str]) -> bool:
    if len(lines) < _LINES_MIN:
        return False
    if sum(line.lstrip()[:1] == "|" for line in lines) >= 0.9 * len(lines):
        return True
    is_prose = any(", " in _unquoted(line) or _SENTENCE_END.search(line) for line in lines)
    separators = (("\t", 1), (",", 2 if is_prose else 1), (";", 2))
    return any(_is_separated(lines, by, least) for by, least in separators)


def _is_separated(lines: list[str], by: str, least: int) -> bool:
    """Whether nearly all lines have as many separators as the first, quoted ones not counted."""
    wanted = _unquoted(lines[0]).count(by)
    if wanted < least:
        return False
    same = sum(_unquoted(line).count(by) == wanted for line in lines)
    return same >= 0.9 * len(lines)


def _unquoted(line: str) -> str:
    return "".join(line.split('"')[::2]) if '"' in line else line


def _is_dialogue(lines: list[str]) -> bool:
    turns = [match for match in map(SPEAKER_LINE.match, lines) if match]
    if len(turns) < max(2, 0.5 * len(lines)):
        return False
    speakers = [turn[2].strip().lower() for turn in turns]
    likely = sum(turn[1] is not None or turn[2].lower() in _SPEAKERS for turn in turns)
    if likely >= _SHARE_LIKELY * len(turns):
        return True
    return len(turns) >= _LINES_MIN and len(set(speakers)) <= max(2, len(turns) // 2)


def _is_code(lines: list[str]) -> bool:
    hits = [_CODE_LINE.match(line) is not None for line in lines]
    if sum(hits) >= _CODE_SHARE * len(lines) or _is_nested_settings(lines):
        return True
    # A module full of documentation shows itself by its unindented lines.
    outer = [hit for hit, line in zip(hits, lines, strict=True) if not line[0].isspace()]
    return (
        len(outer) >= _LINES_MIN
        and sum(outer) >= _CODE_SHARE_OUTER * len(outer)
        and sum(hits) >= _CODE_SHARE_LEAST * len(lines)
    )


def _is_nested_settings(lines: list[str]) -> bool:
    keys = [match for match in map(_KEY_LINE.match, lines) if match]
    nested = sum(key[0][0].isspace() for key in keys)
    return len(keys) >= _SHARE_LIKELY * len(lines) and nested >= _CODE_SHARE_LEAST * len(lines)
