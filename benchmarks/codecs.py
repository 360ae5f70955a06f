"""What the policy of lossless codecs was chosen by: ratios and speeds by kind and choice.

`python -m benchmarks.codecs [--data DIR] [--quick]`. Bodies are generated; with `--data` they are
the conversations of `sessions` too, each body once, and the blocks they would be sealed into. The
bootstrap dictionary was made of text like the generated: what it gains shows in the real sets only.
"""

import gzip
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np
import orjson
from numpy.typing import NDArray

from benchmarks.dictionaries import generated_bodies
from benchmarks.meter import finish, null, parse, parser, say, table
from tierfold.compression.lossless import (
    BLOCK_BYTES,
    Codec,
    ContentKind,
    content_kind,
    plan,
    row_of,
)
from tierfold.compression.lossless.compressors import Compressors
from tierfold.compression.lossless.dictionaries import Dictionary, bootstrap_dictionaries
from tierfold.compression.lossless.numeric import decode, encode
from tierfold.context.canonical import canonical_json
from tierfold.context.segment import SegmentKind, item, name_of

BODIES, BODIES_QUICK = 12_000, 4_000
LEVELS = (1, 3, 6, 9, 12, 19)
SETS = {"tau": "tau_airline_60conv", "swe": "swe_agent_histories"}
_SEED = 4  # not the one the dictionary was made with
_REPEATS = 3
_MEGA = 1e6
_BLOCK_SIZES = (4 * 1024, 16 * 1024, BLOCK_BYTES)
_NUMBERS = 1_000_000


def main() -> None:
    """Measure and print."""
    options = parse(parser(__doc__))
    bodies = generated_bodies(count=BODIES_QUICK if options.quick else BODIES, seed=_SEED)
    dice = np.random.default_rng(_SEED)
    dice.shuffle(bodies)
    figures = _kinds("generated", bodies)
    figures |= _numeric(dice)
    keys = [f"{name}_{what}" for name in (*SETS, "both") for what in ("raw_bytes", "blocks_bytes")]
    if options.data is None:
        finish(figures | null("no --data", *keys))
        return
    sets = {name: session_bodies(options.data, file) for name, file in SETS.items()}
    for name, each in sets.items():
        figures |= _kinds(name, each) | _sealed(name, each)
    figures |= _sealed("both", [body for each in sets.values() for body in each])
    finish(figures)


def session_bodies(folder: Path, file: str) -> list[bytes]:
    """Return every body of the set's conversations once, in the order of arrival."""
    bodies: dict[bytes, bytes] = {}
    with gzip.open(folder / "sessions" / f"{file}.jsonl.gz") as lines:
        for line in lines:
            for row in orjson.loads(line)["messages"]:
                made = item(SegmentKind.MESSAGE, canonical_json(row))
                bodies |= {each.name: each.body for each in made.segments()}
    return list(bodies.values())


@dataclass(slots=True)
class _Sum:
    """What one choice makes of all kinds together."""

    raw_bytes: int = 0
    packed_bytes: int = 0
    in_s: float = 0.0
    out_s: float = 0.0

    def __iadd__(self, other: "_Sum") -> Self:
        self.raw_bytes += other.raw_bytes
        self.packed_bytes += other.packed_bytes
        self.in_s += other.in_s
        self.out_s += other.out_s
        return self

    def figures(self) -> dict[str, float]:
        """Return ratio, and MB of raw bytes per second of CPU in and out."""
        return {
            "ratio": self.raw_bytes / self.packed_bytes,
            "in_mb_s": self.raw_bytes / self.in_s / _MEGA,
            "out_mb_s": self.raw_bytes / self.out_s / _MEGA,
        }


def _kinds(name: str, bodies: Sequence[bytes]) -> dict[str, Any]:
    """Return ratio and speed of each choice over all kinds; the table has each kind's."""
    rows: list[list[object]] = []
    sums: dict[str, _Sum] = {}
    for kind in ContentKind:
        own = [body for body in bodies if content_kind(body) is kind]
        for choice, pieces, level, dictionary in _choices(own) if own else ():
            measured = _measured(pieces, level, dictionary)
            rows.append([kind.name.lower(), choice, *measured.figures().values()])
            sums[choice] = sums.get(choice, _Sum())
            sums[choice] += measured
    say(f"{name}: ratio, MB/s in, MB/s out")
    table(["kind", "choice", "ratio", "in", "out"], rows)
    return {
        f"{name}_{choice}_{what}": value
        for choice, each in sums.items()
        for what, value in each.figures().items()
    }


def _choices(
    bodies: Sequence[bytes],
) -> Iterator[tuple[str, Sequence[bytes], int, Dictionary | None]]:
    common = bootstrap_dictionaries()[-1]
    for level in (1, 3):
        yield f"row_{level}", bodies, level, None
        yield f"row_{level}_dictionary", bodies, level, common
    for size in _BLOCK_SIZES:
        yield f"block_{size // 1024}k_9_dictionary", list(_blocks(bodies, size)), 9, common
    whole = list(_blocks(bodies, BLOCK_BYTES))
    for level in LEVELS:
        yield f"block_64k_{level}", whole, level, None


def _blocks(bodies: Sequence[bytes], size_bytes: int) -> Iterator[bytes]:
    block: list[bytes] = []
    for body in bodies:
        if block and sum(map(len, block)) + len(body) > size_bytes:
            yield b"".join(block)
            block = []
        block.append(body)
    yield b"".join(block)


def _measured(pieces: Sequence[bytes], level: int, dictionary: Dictionary | None) -> _Sum:
    ready = Compressors()

    def pack() -> list[bytes]:
        return [ready.compress(piece, level, dictionary) for piece in pieces]

    packed = pack()  # warms, too
    return _Sum(
        raw_bytes=sum(map(len, pieces)),
        packed_bytes=sum(min(len(p), len(q)) for p, q in zip(pieces, packed, strict=True)),
        in_s=_cpu_s(pack),
        out_s=_cpu_s(
            lambda: [ready.decompress(each, dictionary, size_bytes_max=1 << 20) for each in packed]
        ),
    )


def _cpu_s(work: Callable[[], object]) -> float:
    """Return the fastest of some rounds; never zero, whatever the clock's grain."""
    took = []
    for _ in range(_REPEATS):
        began = time.process_time()
        work()
        took.append(time.process_time() - began)
    return max(min(took), 1e-6)


def _sealed(name: str, bodies: Sequence[bytes]) -> dict[str, Any]:
    """Return the bytes of the blocks that the plan makes, and of those in the order of arrival."""
    codec = Codec()
    by_name = {name_of(body): body for body in bodies}
    rows = [row_of(each, body, order) for order, (each, body) in enumerate(by_name.items())]
    planned = [([by_name[each] for each in block.names], block.kind) for block in plan(rows)]
    arrived = list(_blocks(bodies, BLOCK_BYTES))
    figures: Mapping[str, int] = {
        "raw_bytes": sum(map(len, bodies)),
        "rows_bytes": sum(len(codec.frame(body, content_kind(body))) for body in bodies),
        "arrival_9_bytes": sum(len(Compressors().compress(each, 9, None)) for each in arrived),
        "blocks_bytes": sum(len(codec.pack(each, kind)) for each, kind in planned),
        "blocks": len(planned),
    }
    say(f"{name}, sealed")
    table(["what", "bytes"], [[what, value] for what, value in figures.items()])
    return {f"{name}_{what}": value for what, value in figures.items()}


def _numeric(dice: np.random.Generator) -> dict[str, Any]:
    postings = np.sort(dice.choice(10 * _NUMBERS, _NUMBERS, replace=False))
    lengths = dice.geometric(0.02, _NUMBERS)
    sparse = np.where(dice.random(_NUMBERS) < 0.05, dice.random(_NUMBERS), 0)  # noqa: PLR2004
    arrays: dict[str, NDArray[Any]] = {
        "postings": postings,
        "offsets": np.cumsum(lengths),
        "counts": dice.geometric(0.4, _NUMBERS).astype(np.int32),
        "sparse_f32": sparse.astype(np.float32),
        "dense_f32": dice.random(_NUMBERS).astype(np.float32),
    }
    figures: dict[str, Any] = {}
    rows: list[list[object]] = []
    for name, array in arrays.items():
        data = encode(array)
        in_s, out_s = _cpu_s(partial(encode, array)), _cpu_s(partial(decode, data))
        ratio = array.nbytes / len(data)
        rows.append([name, ratio, array.nbytes / in_s / _MEGA, array.nbytes / out_s / _MEGA])
        figures[f"numeric_{name}_ratio"] = ratio
    say("numeric: ratio, MB/s in, MB/s out")
    table(["array", "ratio", "in", "out"], rows)
    return figures


if __name__ == "__main__":
    main()
