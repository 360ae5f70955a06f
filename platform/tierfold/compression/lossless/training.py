"""Training a tenant's own dictionary, and proof that it is better than what there is."""

from collections.abc import Sequence
from typing import Final

from tierfold.compression.lossless.compressors import Compressors
from tierfold.compression.lossless.dictionaries import (
    DICTIONARY_BYTES_MAX,
    SAMPLES_BYTES_MIN,
    Dictionary,
    bootstrap_dictionaries,
    trained_bytes,
    trained_dictionary,
)
from tierfold.compression.lossless.kinds import ContentKind
from tierfold.compression.lossless.policy import Tier, choose

_SAMPLES_BYTES_MAX: Final = 8 << 20  # 1 s of training
_SHARE: Final = 32  # a dictionary is this part of its samples, within its limits
_DICTIONARY_BYTES_MIN: Final = 16 * 1024
_HELD_BACK: Final = 8  # every eighth sample is for the comparison
_GAIN_MIN: Final = 1.05  # over the bootstrap dictionary; less does not pay for keeping it for ever


def train(samples: Sequence[bytes], kind: ContentKind) -> Dictionary | None:
    """Return a dictionary of a tenant's bodies of one kind; None where it would not pay.

    That is where they are too few, have nothing in common, or where samples that were held back
    shrink about as much without it. Equal samples give an equal dictionary.
    """
    size_bytes = sum(map(len, samples))
    if size_bytes < SAMPLES_BYTES_MIN:
        return None
    thinned = samples[:: -(-size_bytes // _SAMPLES_BYTES_MAX)]
    held_back = thinned[::_HELD_BACK]
    learnt = [each for at, each in enumerate(thinned) if at % _HELD_BACK]
    wanted = min(max(size_bytes // _SHARE, _DICTIONARY_BYTES_MIN), DICTIONARY_BYTES_MAX)
    data = trained_bytes(learnt, wanted)
    if data is None:
        return None
    trained = trained_dictionary(kind, data)
    return trained if _gain(held_back, trained) >= _GAIN_MIN else None


def _gain(bodies: Sequence[bytes], trained: Dictionary) -> float:
    """Return how many times smaller a dictionary makes rows than the bootstrap dictionary."""
    return _packed_bytes(bodies, bootstrap_dictionaries()[-1]) / _packed_bytes(bodies, trained)


def _packed_bytes(bodies: Sequence[bytes], dictionary: Dictionary) -> int:
    compressors = Compressors()
    level = choose(ContentKind.CHAT, Tier.L2, SAMPLES_BYTES_MIN).level
    return sum(
        min(len(body), len(compressors.compress(body, level, dictionary))) for body in bodies
    )
