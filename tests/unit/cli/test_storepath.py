"""Where the store is, and how a command gets there."""

import argparse
from pathlib import Path

import pytest

from tierfold.cli.reach import Place, place
from tierfold.cli.storepath import objects_url, store_path
from tierfold.errors import InvalidInputError


def test_the_option_comes_before_the_environment_before_the_home_folder() -> None:
    """The nearest word counts."""
    said = {"TIERFOLD_STORE": "/from/environment"}

    assert store_path("/option", said) == Path("/option")
    assert store_path(None, said) == Path("/from/environment")
    assert store_path(None, {"TIERFOLD_STORE": ""}) == Path.home() / ".tierfold"
    assert store_path("~/x", {}) == Path.home() / "x"
    assert store_path("x", {}) == Path.cwd() / "x"


@pytest.mark.parametrize("named", ["", "~nobody-of-this-name/x"])
def test_a_folder_that_cannot_be_meant_is_refused(named: str) -> None:
    """Neither nothing nor the home of somebody unknown is a place."""
    with pytest.raises(InvalidInputError, match="--store"):
        store_path(named, {})


def test_only_a_new_store_is_told_its_object_store(tmp_path: Path) -> None:
    """Any other remembers its own; what is named comes first."""
    assert objects_url(tmp_path, {}) == f"file://{tmp_path}/objects"
    (tmp_path / "objects").mkdir()
    (tmp_path / "shard-00").mkdir()
    assert objects_url(tmp_path, {}) is None
    for named in ("s3://b", "none"):
        assert objects_url(tmp_path, {"TIERFOLD_OBJECTS": named}) == named


@pytest.mark.parametrize(
    ("url", "store", "variable", "expected"),
    [
        ("http://a", None, "http://b", ("http://a", "--url")),
        (None, None, "http://b", ("http://b", "TIERFOLD_URL")),
        (None, "/s", "http://b", (None, "the lock file")),
        (None, None, "", (None, "the lock file")),
    ],
)
def test_an_option_comes_before_a_variable(
    url: str | None, store: str | None, variable: str, expected: tuple[str | None, str]
) -> None:
    """A folder that was named is not left for a server that was not."""
    found: Place = place(
        argparse.Namespace(url=url, store=store),
        {"TIERFOLD_URL": variable, "TIERFOLD_STORE": "/s"},
    )

    assert (found.url, found.said_by) == expected
    assert found.folder == Path("/s")
