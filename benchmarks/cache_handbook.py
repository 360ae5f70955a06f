"""Published miss ratios on the real traces: what the simulator must reproduce before it counts.

Made with libCacheSim 0.3.5, sizes fixed at each key's largest.
"""

from collections.abc import Sequence

from benchmarks.meter import say, table
from tierfold.sim.comparison import Comparison

TOLERANCE = 0.001
CELLS_MIN = 3
BASELINES = ("lru", "belady")  # leave no freedom: ties and ghosts make the others differ a little
_POLICIES = ("lru", "belady", "lfu", "arc", "lirs", "s3fifo", "gdsf")
_PUBLISHED = {
    ("arc_oltp", 0.01): (0.5837, 0.4024, 0.8236, 0.5460, 0.5837, 0.5354, 0.5533),
    ("arc_p3", 0.1): (0.9492, 0.5851, 0.8621, 0.7945, 0.7768, 0.7800, 0.9408),
    ("cache2k_web07", 0.01): (0.6085, 0.4662, 0.6938, 0.5809, 0.6135, 0.5625, 0.5699),
    ("claudecode_dev", 0.1): (0.0585, 0.0461, 0.8606, 0.0917, 0.0928, 0.0723, 0.1066),
    ("cloudphysics_io", 0.1): (0.8116, 0.6565, 0.7935, 0.7751, 0.7478, 0.7591, 0.7785),
    ("lirs_sprite", 0.1): (0.1352, 0.0864, 0.5505, 0.1450, 0.1598, 0.1404, 0.1520),
    ("mooncake_conv", 0.1): (0.7229, 0.6336, 0.8097, 0.7616, 0.7777, 0.7759, 0.7149),
    ("mooncake_conv_ctx", 0.1): (0.7237, 0.6128, 0.8906, 0.7924, 0.7594, 0.7980, 0.7073),
    ("scarab_recs", 0.01): (0.6529, 0.4665, 0.6943, 0.5918, 0.6002, 0.5721, 0.6003),
}


def published(found: Comparison) -> dict[str, float] | None:
    """Return what the handbook has for this cell, if it has it."""
    for (trace, share), ratios in _PUBLISHED.items():
        if found.cell.trace == trace and abs(found.cell.share - share) < share / 100:
            return dict(zip(_POLICIES, ratios, strict=True))
    return None


def difference(found: Sequence[Comparison]) -> str | None:
    """Return why the baselines do not reproduce the handbook, or None where they do.

    Where the folder has other traces there is nothing to reproduce.
    """
    known = [(each, ratios) for each in found if (ratios := published(each)) is not None]
    wrong = [
        f"{each.cell.trace} {each.cell.share:.1%} {name} {each.miss_ratios()[name]:.4f}"
        for each, ratios in known
        for name in BASELINES
        if abs(each.miss_ratios()[name] - ratios[name]) > TOLERANCE
    ]
    if wrong:
        return f"baselines differ from the handbook: {'; '.join(wrong)}"
    if len(known) < CELLS_MIN:
        say(f"{len(known)} cells of the handbook are in this folder: nothing to reproduce")
    return None


def shown_differences(found: Sequence[Comparison]) -> None:
    """Print how far each policy is from the published one; ours less theirs."""
    rows: list[list[object]] = []
    for each in found:
        ratios = published(each)
        if ratios is not None:
            own = each.miss_ratios()
            off = [f"{own[name] - ratios[name]:+.4f}" if name in own else "" for name in _POLICIES]
            rows.append([each.cell.trace, f"{each.cell.share:.1%}", *off])
    say("against the handbook's table, ours less theirs")
    table(["trace", "size", *_POLICIES], rows)
