import random
from pathlib import Path

import tierfold
from benchmarks.durability_processes import check, key_of, rows_of
from benchmarks.durability_rows import Acknowledged, contents_of, damage, hash_of, line_of

SOUND = {"lost": 0, "torn": 0, "unacknowledged": 0}


def appends(count: int) -> list[list[str]]:
    dice = random.Random(1)
    return [contents_of(dice) for _ in range(count)]


def stored_rows(count: int) -> list[str]:
    return [content for contents in appends(count) for content in contents]


def hashes(stored: list[str]) -> dict[int, str]:
    return {index: hash_of(content) for index, content in enumerate(stored)}


def test_what_was_acknowledged_and_is_there_is_sound() -> None:
    """The check finds nothing where there is nothing."""
    stored = stored_rows(40)

    assert damage(stored, hashes(stored)) == SOUND


def test_a_row_that_is_missing_at_the_end_is_lost() -> None:
    """A log cut too early loses its last appends."""
    stored = stored_rows(40)
    shorter = [content for contents in appends(39) for content in contents]

    assert damage(shorter, hashes(stored))["lost"] == len(stored) - len(shorter)


def test_a_row_in_another_place_is_lost() -> None:
    """Order is part of what was acknowledged."""
    stored = stored_rows(40)
    moved = [stored[1], stored[0], *stored[2:]]

    assert damage(moved, hashes(stored))["lost"] == 2


def test_a_row_nobody_was_told_of_is_no_damage() -> None:
    """The kill may come between the disk and the answer."""
    stored = stored_rows(40)
    told = dict(list(hashes(stored).items())[:-1])

    assert damage(stored, told) == SOUND | {"unacknowledged": 1}


def test_a_damaged_row_is_torn() -> None:
    """A flipped character shows even if the row was never acknowledged."""
    stored = stored_rows(40)
    stored[5] = stored[5][:8] + "x" + stored[5][9:]

    assert damage(stored, {})["torn"] >= 1


def test_half_an_append_is_torn() -> None:
    """Rows that came together are all there or none of them is."""
    whole = next(contents for contents in appends(40) if len(contents) == 3)

    assert damage(whole, {})["torn"] == 0
    assert damage(whole[:2], {})["torn"] == 1
    assert damage(whole[1:], {})["torn"] >= 1
    assert damage([whole[0], whole[2]], {})["torn"] >= 1


def test_two_rows_in_one_place_are_noticed() -> None:
    """A store that gives one index twice has lost one of the two already."""
    acknowledged = Acknowledged()
    acknowledged.add(line_of("c", 0, ["a", "b"]))
    acknowledged.add(line_of("c", 1, ["c"]))

    assert acknowledged.doubled == 1


def test_an_account_survives_its_encoding() -> None:
    """The process that checks must know exactly what the one that listened knew."""
    acknowledged = Acknowledged()
    for line in (line_of("c", 2, ["a"]), line_of("c", 0, ["b", "c"]), line_of("d", 0, ["e"])):
        acknowledged.add(line)

    acknowledged.add_anywhere("d", ["f"])

    assert Acknowledged.decode(acknowledged.encode()) == acknowledged
    assert len(acknowledged) == 5
    assert acknowledged.last == {"c": (2, 3), "d": (0, 1)}


def test_a_check_finds_a_lost_row_and_a_replay_that_did_nothing(tmp_path: Path) -> None:
    """The bench's own checker, on a real store: sound as it is, and not with a row more."""
    told = Acknowledged()
    with tierfold.open(tmp_path / "store") as store:
        store.create("c0", messages=[])
        for contents in appends(5):
            info = store.append("c0", messages=rows_of(contents), idempotency_key=key_of(contents))
            told.add(line_of("c0", info.head.items - len(contents), contents))

    sound = check(tmp_path / "store", told)
    last = told.last["c0"]
    told.rows["c0"][last[1]] = hash_of("never stored")
    told.add_anywhere("c0", [appends(1)[0][0], "never stored either"])

    assert sound == {"lost": 0, "torn": 0, "unacknowledged": 0, "replayed": 0}
    assert check(tmp_path / "store", told)["lost"] == 2
