import json
from pathlib import Path

import pytest

from tierfold_actors import openapi
from tierfold_actors.openapi import document

ROOT = Path(__file__).parents[3]


def test_the_checked_in_description_is_the_application_s() -> None:
    """`python -m tierfold_actors.openapi` writes it."""
    assert document() == (ROOT / "openapi.json").read_text("utf-8")


def test_every_reference_leads_somewhere() -> None:
    """Generated clients follow them."""
    text = document()
    schemas = json.loads(text)["components"]["schemas"]
    references = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}

    assert references <= set(schemas)
    assert {"AnswerModel", "ProcessModel", "CompressModel", "CompressAnswerModel"} <= set(schemas)


def test_the_module_writes_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The test above says how to mend itself."""
    path = tmp_path / "openapi.json"
    monkeypatch.setattr(openapi, "PATH", path)

    openapi.main()

    assert document() == path.read_text("utf-8")
    assert str(path) in capsys.readouterr().out
