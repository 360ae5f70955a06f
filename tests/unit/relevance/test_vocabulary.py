import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.relevance.tables import texts
from tierfold.relevance import vocabulary
from tierfold.relevance.vocabulary import CAPITAL, NUMBER, QUESTION, scan, stems_of


def words_of(text: str) -> list[str]:
    known: dict[str, int] = {}
    found = scan([text], known)
    names = list(known)
    return [names[word] for word in found.word[~found.is_name]]


def names_of(text: str) -> list[str]:
    known: dict[str, int] = {}
    found = scan([text], known)
    names = list(known)
    return [names[word] for word in found.word[found.is_name]]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The quick Fox", ["quick", "fox"]),
        ("getUserName HTTPServer snake_case", ["user", "http", "server", "snake", "case"]),
        ("at 10:30 or 3.5 on 2024-05-21.", ["10:30", "3.5", "2024", "05", "21"]),
        ("HAT017 x-315 v1.2_rc", ["hat", "017", "x", "315", "v", "1.2", "rc"]),
        ("Größe, école; Москва", ["größe", "école", "москва"]),
        ("東京都", ["東京", "京都"]),
        ("東", ["東"]),
        ("Tokyo東京ok", ["tokyo", "東京", "ok"]),
        ("हिन्दी।", ["हिन्दी"]),
        ("überFluss", ["über", "fluss"]),
        ("über東京 rot", ["über", "東京", "rot"]),
        ("the of and", []),
        ("", []),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    """Words are lower-case runs of letters, camel case split; numbers keep inner dots and colons;
    scripts without spaces become overlapping pairs; stop words are left out."""
    assert words == words_of(text)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("def _get_action_name(self):", ["get_action_name"]),
        ("getUserName, HTTPServer; snake_case.", ["getusername", "httpserver", "snake_case"]),
        ("HAT017 db7 x-315 INC-2024-001", ["hat017", "db7", "x-315", "inc-2024-001"]),
        ("v1.2_rc 10ms 9f8e 1_000", ["v1.2_rc", "10ms", "9f8e", "1_000"]),
        ("überFluss Straße_5 naïve_café", ["überfluss", "straße_5"]),
        ("plain Title UPPER __init__ well-known _ - 12-13", []),
        ("at 10:30 on 2024-05-21 10:30:00Z, x10:30", []),
        ("第3章 2024年 東京tower", []),
    ],
)
def test_names(text: str, names: list[str]) -> None:
    """An identifier of several parts is a term of its own, case folded, without the underscores
    around it; moments and stretches of scripts without spaces are none."""
    assert names == names_of(text)


def test_forms_of_a_name_are_other_names() -> None:
    """Identifiers with underscores have no stem."""
    assert stems_of(["add_argument", "add_arguments"]) == ["add_argument", "add_arguments"]


def test_nothing_to_scan() -> None:
    """No text, no words, and the vocabulary stays as it was."""
    known = {"old": 0}

    found = scan([], known)

    assert (len(found.word), known) == (0, {"old": 0})
    assert found.marks.shape == (0, 5)


@given(st.lists(texts, min_size=1, max_size=8))
def test_one_pass_finds_what_single_scans_find(many: list[str]) -> None:
    """Scanning texts together gives each text the words it has alone, also if it holds a NUL."""
    known: dict[str, int] = {}
    found = scan(many, known)
    names = list(known)

    for slot, text in enumerate(many):
        own = found.slot == slot
        assert words_of(text) == [names[word] for word in found.word[own & ~found.is_name]]
        assert names_of(text) == [names[word] for word in found.word[own & found.is_name]]


@given(st.text(max_size=60))
def test_any_text_can_be_scanned(text: str) -> None:
    """Whatever the characters, words are not empty and numbers lie within the vocabulary."""
    known: dict[str, int] = {}
    found = scan([text], known)

    assert all(known)
    assert all(0 <= word < len(known) for word in found.word)
    assert len(stems_of(list(known))) == len(known)


def test_marks_count_runs_of_each_class() -> None:
    """Numbers and question marks are counted for the text they stand in, in every script."""
    texts_ = ["12 or 3.5?", "none", "何？ 7", "x1_Y2"]  # noqa: RUF001 - the full-width sign is tested
    marks = scan(texts_, {}).marks

    assert marks[:, NUMBER].tolist() == [2, 0, 1, 2]
    assert marks[:, CAPITAL].tolist() == [0, 0, 0, 1]
    assert marks[:, QUESTION].tolist() == [1, 0, 1, 0]


@pytest.mark.parametrize(
    ("one", "other"),
    [("connected", "connections"), ("рельсы", "рельсов"), ("δρόμος", "δρόμου"), ("คน", "คน")],
)
def test_forms_of_a_word_share_a_stem(one: str, other: str) -> None:
    """Each script has its stemmer; a script without one is left alone."""
    assert stems_of([one]) == stems_of([other])


def test_caches_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full cache is dropped whole and filled again, with the same answers."""
    fresh = vocabulary.Lexicon()
    monkeypatch.setattr(vocabulary, "_WORD_LIMIT", 3)
    monkeypatch.setattr(vocabulary, "_LEXICON", fresh)

    def read() -> tuple[list[str], list[str]]:
        stems = stems_of(["walks", "runs", "sings", "falls"])
        return words_of("alpha beta gamma delta epsilon"), stems

    first, second = read(), read()

    assert first == second
    assert max(len(fresh.classes), len(fresh.stems)) <= 3


@given(st.lists(st.sampled_from("字文東京都会議"), min_size=1, max_size=9).map("".join))
def test_unspaced_scripts_become_pairs(run: str) -> None:
    """A run of n characters has n - 1 overlapping pairs; one character stands alone."""
    pairs = words_of(run)

    assert max(1, len(run) - 1) == len(pairs)
    assert run == pairs[0] + "".join(pair[1:] for pair in pairs[1:])


def test_arrays_are_integers() -> None:
    """Ids and slots index arrays."""
    found = scan(["one two"], {})

    assert (np.dtype(np.int64), np.dtype(np.int64)) == (found.slot.dtype, found.word.dtype)


@given(texts)
def test_a_question_has_the_words_a_unit_of_the_same_text_has(text: str) -> None:
    """Questions are read word by word, units all at once; both must mean the same."""
    found = list(vocabulary.words_of(text))
    pieces = dict.fromkeys(piece for words, _ in found for piece in words)

    assert list(pieces) == list(dict.fromkeys(words_of(text)))
    assert [name for _, name in found if name] == list(dict.fromkeys(names_of(text)))
