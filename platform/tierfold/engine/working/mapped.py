"""L1: a working set as one file that every process of the node maps.

What is read back are views of the map; only text and rows become objects of the process, and the
dictionaries and the source when somebody first needs them.
"""

from collections.abc import Callable, Sequence
from dataclasses import fields
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tierfold.context import Source
from tierfold.context.manifest import Shape
from tierfold.context.stored import ContextInfo
from tierfold.engine.working.arrays import Arrays, encoded, mapped
from tierfold.engine.working.decode import source_of
from tierfold.engine.working.loaded import Loaded
from tierfold.errors import CorruptError
from tierfold.processing import Places, Prepared
from tierfold.relevance import WorkingSet
from tierfold.relevance.index import Postings
from tierfold.relevance.signals import Runs, Signals
from tierfold.text import Block, Frames, Intake, Origin, Role, Row, UnitTable

_NONE = -1  # where a block is of no row, of no part
_WORDS_END = "\n"  # stands in no word
_TABLE = tuple(each.name for each in fields(UnitTable) if each.name not in {"text", "titles"})
_FRAMES = tuple(each.name for each in fields(Frames))
_POSTINGS = tuple(each.name for each in fields(Postings) if each.name not in {"words", "stems"})
_RUNS = tuple(each.name for each in fields(Runs))
_BLOCKS = ("message", "part", "role", "group", "pinned", "whole", "frame")


def encode_working(loaded: Loaded, bodies: Sequence[bytes]) -> memoryview:
    """Return a working set, and the bodies of all its items, as the bytes of a file."""
    prepared = loaded.prepared
    intake, places, working = prepared.intake, prepared.places, prepared.working()
    signals = working.signals
    arrays: Arrays = {
        "bodies": _raw(b"".join(bodies)),
        "body_size": np.array([len(body) for body in bodies], np.int64),
        **_intake_arrays(intake),
        **_postings_arrays(working.postings),
        **_signals_arrays(signals),
    }
    if places is not None:
        arrays |= {"names": _raw(places.names), "item_start": places.item_start}
    facts = {
        "version": loaded.info.version,
        "chain": loaded.info.head.chain.hex(),
        "tokenizer": prepared.tokenizer,
        "tokens": intake.tokens,
        "titles": intake.units.titles,
        "static": list(signals.static),
        "idf_unknown": signals.idf_unknown,
        "size_bytes": loaded.size_bytes,
        "digest": places.digest.hex() if places is not None else None,
        "text_length": places.text_length if places is not None else 0,
    }
    return encoded(arrays, facts)


def map_shared(path: str | Path, info: ContextInfo) -> Loaded:
    """Return the working set in a file; raises CorruptError where it is of no such version.

    Equal to the one that was written, its arrays read-only views of the map.
    """
    facts, arrays = mapped(Path(path))
    try:
        if (facts["version"], facts["chain"]) != (info.version, info.head.chain.hex()):
            problem = f"it is not of version {info.version}"
            raise CorruptError(what="a mapped working set", problem=problem)
        return _loaded(info, facts, arrays)
    except (LookupError, TypeError, ValueError) as error:
        problem = "it lacks an array, or one does not fit the others"
        raise CorruptError(what="a mapped working set", problem=problem) from error


def _loaded(info: ContextInfo, facts: dict[str, Any], arrays: Arrays) -> Loaded:
    intake = _intake(arrays, facts)
    prepared = Prepared(
        sources=_sources(info, arrays),
        tokenizer=facts["tokenizer"],
        intake=intake,
        places=_places(info, facts, arrays),
        working=WorkingSet.stored(
            intake.units, lambda: (_postings(arrays), _signals(arrays, facts))
        ),
    )
    return Loaded(
        info=info, prepared=prepared, items=info.head.items, size_bytes=facts["size_bytes"]
    )


def _sources(info: ContextInfo, arrays: Arrays) -> Callable[[], tuple[Source, ...]]:
    """Return a function that decodes the bodies in the file."""

    def decoded() -> tuple[Source, ...]:
        joined = arrays["bodies"].tobytes()
        ends = np.cumsum(arrays["body_size"]).tolist()
        bodies = [joined[start:end] for start, end in pairwise([0, *ends])]
        return (source_of(info, bodies),)

    return decoded


def _places(info: ContextInfo, facts: dict[str, Any], arrays: Arrays) -> Places | None:
    if facts["digest"] is None:
        return None
    return Places(
        digest=bytes.fromhex(facts["digest"]),
        shape=Shape(info.head.shape),
        names=arrays["names"].tobytes(),
        item_start=arrays["item_start"],
        text_length=facts["text_length"],
    )


def _intake_arrays(intake: Intake) -> Arrays:
    units, blocks = intake.units, intake.blocks
    columns = {
        "message": [_or_none(block.origin.message) for block in blocks],
        "part": [_or_none(block.origin.part) for block in blocks],
        "role": [block.role for block in blocks],
        "group": [block.group for block in blocks],
        "pinned": [block.pinned for block in blocks],
        "whole": [block.whole for block in blocks],
        "frame": [block.frame for block in blocks],
    }
    return {
        "text": _raw(units.text.encode()),
        **{f"units.{name}": getattr(units, name) for name in _TABLE if name != "frames"},
        **{f"frames.{name}": getattr(units.frames, name) for name in _FRAMES},
        **{f"blocks.{name}": np.array(values, np.int32) for name, values in columns.items()},
        "block_start": intake.block_start,
        "weight": intake.weight,
        "row_frame": np.array([row.frame for row in intake.rows], np.int32),
        "row_is_pinned": intake.row_is_pinned,
        "row_overhead": intake.row_overhead,
    }


def _intake(arrays: Arrays, facts: dict[str, Any]) -> Intake:
    text = arrays["text"].tobytes().decode()
    units = UnitTable(
        text=text,
        frames=Frames(**{name: arrays[f"frames.{name}"] for name in _FRAMES}),
        titles=tuple(facts["titles"]),
        **{name: arrays[f"units.{name}"] for name in _TABLE if name != "frames"},
    )
    frames = arrays["row_frame"].tolist()
    return Intake(
        blocks=tuple(_blocks(text, arrays)),
        block_start=arrays["block_start"],
        units=units,
        weight=arrays["weight"],
        rows=tuple(Row(source=0, message=row, frame=frame) for row, frame in enumerate(frames)),
        row_is_pinned=arrays["row_is_pinned"],
        row_overhead=arrays["row_overhead"],
        tokens=facts["tokens"],
    )


def _blocks(text: str, arrays: Arrays) -> list[Block]:
    columns = [arrays[f"blocks.{name}"].tolist() for name in _BLOCKS]
    borders = [*arrays["block_start"].tolist(), len(text)]
    roles = list(Role)
    return [
        Block(
            text=text[start:end],
            origin=Origin(
                source=0,
                message=None if message == _NONE else message,
                part=None if part == _NONE else part,
            ),
            role=roles[role],
            group=group,
            pinned=pinned != 0,
            whole=whole != 0,
            frame=frame,
        )
        for (start, end), message, part, role, group, pinned, whole, frame in zip(
            pairwise(borders), *columns, strict=True
        )
    ]


def _postings_arrays(postings: Postings) -> Arrays:
    return {
        "words": _raw(_WORDS_END.join(postings.words).encode()),
        "stems": _raw(_WORDS_END.join(postings.stems).encode()),
        **{f"postings.{name}": getattr(postings, name) for name in _POSTINGS},
    }


def _postings(arrays: Arrays) -> Postings:
    return Postings(
        words=_numbered(arrays["words"]),
        stems=_numbered(arrays["stems"]),
        **{name: arrays[f"postings.{name}"] for name in _POSTINGS},
    )


def _numbered(words: NDArray[Any]) -> dict[str, int]:
    """Return words with their numbers, in order."""
    if not len(words):
        return {}
    each = words.tobytes().decode().split(_WORDS_END)
    return dict(zip(each, range(len(each)), strict=True))


def _signals_arrays(signals: Signals) -> Arrays:
    return {
        "signals.weight": signals.weight,
        "signals.idf": signals.idf,
        "signals.norm": signals.norm,
        "signals.static": np.array(list(signals.static.values()), np.float32),
        **{f"groups.{name}": getattr(signals.groups, name) for name in _RUNS},
        **{f"sections.{name}": getattr(signals.sections, name) for name in _RUNS},
    }


def _signals(arrays: Arrays, facts: dict[str, Any]) -> Signals:
    return Signals(
        weight=arrays["signals.weight"],
        idf=arrays["signals.idf"],
        idf_unknown=facts["idf_unknown"],
        norm=arrays["signals.norm"],
        groups=Runs(**{name: arrays[f"groups.{name}"] for name in _RUNS}),
        sections=Runs(**{name: arrays[f"sections.{name}"] for name in _RUNS}),
        static=dict(zip(facts["static"], arrays["signals.static"], strict=True)),
    )


def _raw(data: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(data, np.uint8)


def _or_none(value: int | None) -> int:
    return _NONE if value is None else value
