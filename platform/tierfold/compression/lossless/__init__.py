"""Lossless: every byte comes back; the policy says what is packed how."""

from tierfold.compression.lossless.codec import Block, Codec, block_hash
from tierfold.compression.lossless.dictionaries import (
    Dictionary,
    bootstrap_dictionaries,
    trained_dictionary,
)
from tierfold.compression.lossless.kinds import ContentKind, content_kind
from tierfold.compression.lossless.packing import BlockPlan, Row, is_due, plan, row_of
from tierfold.compression.lossless.policy import BLOCK_BYTES, Choice, Tier, choose
from tierfold.compression.lossless.training import train

__all__ = [
    "BLOCK_BYTES",
    "Block",
    "BlockPlan",
    "Choice",
    "Codec",
    "ContentKind",
    "Dictionary",
    "Row",
    "Tier",
    "block_hash",
    "bootstrap_dictionaries",
    "choose",
    "content_kind",
    "is_due",
    "plan",
    "row_of",
    "train",
    "trained_dictionary",
]
