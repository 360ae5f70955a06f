import io
import json
import sys
from dataclasses import replace
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from tierfold.cli import main, simulate, simulate_plot
from tierfold.cli.screen import Screen
from tierfold.cli.simulate_progress import ProgressBar
from tierfold.cli.simulate_table import as_text
from tierfold.sim.cells import sized_cell
from tierfold.sim.comparison import Comparison
from tierfold.sim.contestants import contestants
from tierfold.sim.parallel import Task
from tierfold.sim.sources import Source

Output = pytest.CaptureFixture[str]


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """Two loops, the second one of more keys than a small cache holds."""
    keys = [*(list(range(20)) * 5), *(list(range(50)) * 5)]
    rows = "".join(f"{at},{key},10\n" for at, key in enumerate(keys))
    path = tmp_path / "loops.csv"
    path.write_text(f"time,key,size\n{rows}")
    return path


def test_a_trace_is_compared_at_the_sizes_asked_for(trace: Path, capsys: Output) -> None:
    """The table has the best policy first, and always LRU and the bound to judge it by."""
    call = ["simulate", "cache", "--trace", str(trace), "--policy", "arc", "--size", "20%"]
    assert main([*call, "--size", "300B"]) == 0

    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert lines[0].startswith("loops: 350 accesses to 50 objects of 500 B")
    assert [line for line in lines if line.startswith("cache of")] == [
        "cache of 100 B, 20.00 %: about 10 objects",
        "cache of 300 B, 60.00 %: about 30 objects",
    ]
    assert [line.split()[0] for line in lines[4:7]] == ["belady", "arc", "lru"]
    assert err == ""


def test_json_has_every_policy_and_figure(trace: Path, capsys: Output) -> None:
    """Programs get what people see, unrounded."""
    assert main(["simulate", "cache", "--trace", str(trace), "--size", "10%", "--json", "-q"]) == 0

    body = json.loads(capsys.readouterr().out)
    (cell,) = body["cells"]
    assert body["trace"]["footprint_bytes"] == 500
    assert cell["bytes_max"] == 50
    assert {each["policy"] for each in cell["policies"]} == {*contestants()}
    by_name = {each["policy"]: each for each in cell["policies"]}
    assert by_name["belady"]["gap_closed"] == 1
    assert by_name["lru"]["object_miss_ratio"] == 1
    assert by_name["lru"]["metadata_bytes_per_object"] > 0


def test_without_a_trace_a_named_one_is_generated(
    capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever has no trace yet sees what the command says."""
    monkeypatch.setattr(simulate, "Source", lambda kind: Source(kind=kind, accesses=3000))
    assert main(["simulate", "cache", "--policy", "lru"]) == 0

    out, err = capsys.readouterr()
    assert out.startswith("chats: ")
    assert err == "no --trace: a generated one, chats (conversations that grow)\n"


@pytest.mark.parametrize("ending", ["html", "png"])
def test_the_picture_is_what_its_ending_says(trace: Path, tmp_path: Path, ending: str) -> None:
    """A page has nothing to load, so it can be sent; a PNG goes into a document."""
    picture = tmp_path / f"p.{ending}"
    assert main(["simulate", "cache", "--trace", str(trace), "-q", "--plot", str(picture)]) == 0

    data = picture.read_bytes()
    assert data.startswith(b"<!doctype html>" if ending == "html" else b"\x89PNG")
    if ending == "html":
        assert data.count(b"<polyline") == len(contestants())
        assert b"<title>loops: 350 accesses, 50 objects</title>" in data
        assert b"src=" not in data


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--trace", "none.csv"], "none.csv: there is no such file"),
        (["--policy", "mru"], "--policy: there is no policy 'mru'; take one of lru, "),
        (["--size", "0"], "say a share up to 100%, as 1%, or a size, as 64MiB; more than none"),
        (["--size", "101%"], "say a share up to 100%"),
        (["--size", "much"], "say a number and its unit, as 64MB or 64MiB, not 'much'"),
        (["--trace", "TRACE", "--size", ".1%"], "--size: less than a byte of this trace's"),
        (["--trace", "TRACE", *(["--size", "9"] * 21)], "--size: 21 sizes; give at most 20"),
        (["--plot", "p.gif"], "--plot: 'p.gif' is no picture we draw; end it in .html or .png"),
        (["--plot", "none/p.html"], "cannot write none/p.html"),
    ],
)
def test_a_wrong_call_is_refused_before_the_work(
    trace: Path, capsys: Output, options: list[str], said: str
) -> None:
    """Minutes of replaying must not end in a typing error."""
    words = [str(trace) if word == "TRACE" else word for word in options]
    assert main(["simulate", "cache", *words]) == 2
    assert said in capsys.readouterr().err


def test_the_kind_of_simulation_is_needed(capsys: Output) -> None:
    """`tierfold simulate` alone says what there is."""
    assert main(["simulate"]) == 2
    assert "cache" in capsys.readouterr().err


def test_a_png_without_its_library_says_what_to_do(
    trace: Path, tmp_path: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library is large, and a page needs nothing of it."""
    found: ModuleSpec | None = None
    monkeypatch.setattr(simulate_plot, "find_spec", lambda _name: found)
    assert main(["simulate", "cache", "--trace", str(trace), "--plot", str(tmp_path / "p.png")])
    assert "pip install matplotlib, or name a file that ends in .html" in capsys.readouterr().err


def test_ctrl_c_ends_in_a_word(
    trace: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long simulation is often given up."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Task, "run", interrupted)
    assert main(["simulate", "cache", "--trace", str(trace)]) == 130
    assert capsys.readouterr().err == "tierfold: interrupted\n"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_bar_is_shown_on_a_terminal_and_cleared(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table stands alone afterwards; a log gets no bar at all."""
    terminal, pipe = Terminal(), io.StringIO()
    monkeypatch.setattr("tierfold.cli.simulate_progress._S_BETWEEN", 0.0)
    for stream in (terminal, pipe):
        monkeypatch.setattr(sys, "stderr", stream)
        with ProgressBar(200) as shown:
            shown.advance(50)
    monkeypatch.setattr(sys, "stderr", terminal)
    with ProgressBar(200, is_quiet=True) as shown:
        shown.advance(50)

    assert pipe.getvalue() == ""
    assert terminal.getvalue().count(" 25 %, ") == 1
    assert terminal.getvalue().endswith("\r\x1b[K")


def test_a_bar_survives_its_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Progress that nobody can read is no failure of the work."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with ProgressBar(2) as shown:
        terminal.close()
        monkeypatch.setattr("tierfold.cli.simulate_progress._S_BETWEEN", 0.0)
        shown.advance(1)
        shown.advance(1)


def test_a_policy_that_goes_on_without_a_part_is_named(
    trace: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its figures would be those of another policy, and look sound."""
    run = Task.run
    monkeypatch.setattr(Task, "run", lambda task, *_: replace(run(task), problem="arc: KeyError"))
    call = ["simulate", "cache", "--trace", str(trace), "--policy", "lru", "--size", "9%"]
    assert main(call) == 0
    assert "lru, cache of 45 B: arc: KeyError" in capsys.readouterr().err


def test_a_loss_of_many_gaps_is_shown_as_one(trace: Path) -> None:
    """Where the bound gains next to nothing, thousands of percent would look like a finding."""
    source = Source(file=str(trace))
    one = Task(source=source, policy="lru", bytes_max=100).run()
    found = [
        replace(one, policy=name, misses=misses)
        for name, misses in (("lru", 60), ("belady", 50), ("lfu", 90))
    ]
    cell = sized_cell(source.read(), 100)
    text = "\n".join(as_text(source.read(), [Comparison.of(cell, found)], Screen(None)))

    assert "< -100 %" in text
