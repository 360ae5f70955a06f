from tierfold.config import TierSettings
from tierfold.memory import DiskBlock, disk_victims, excess_bytes


def block(number: int, *, above: bool = False, in_l4: bool = True) -> DiskBlock:
    return DiskBlock(tenant="t", number=number, size_bytes=10, is_above=above, is_in_l4=in_l4)


def test_blocks_that_lie_above_go_first_then_the_oldest() -> None:
    """Losing a copy on the disk costs nothing while there is one in memory."""
    blocks = [block(3), block(1), block(2, above=True)]

    assert [each.number for each in disk_victims(blocks, 15)] == [2, 1]


def test_a_block_that_l4_lacks_stays_whatever_the_disk_says() -> None:
    """The only copy is never evicted."""
    blocks = [block(1, in_l4=False), block(2, above=True, in_l4=False), block(3)]

    assert [each.number for each in disk_victims(blocks, 1000)] == [3]


def test_the_disk_goes_from_the_high_to_the_low_watermark() -> None:
    """Without a limit of its own, a shard leaves the disk to the disk."""
    limited = TierSettings(l3_bytes_max=1000)

    assert excess_bytes(TierSettings(), 10**12) == 0
    assert excess_bytes(limited, 900) == 0
    assert excess_bytes(limited, 901) == 51
