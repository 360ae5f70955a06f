"""How RocksDB is set up: measured for small tables of short keys on one disk."""

from dataclasses import dataclass

from rocksdict import (
    BlockBasedOptions,
    BottommostLevelCompaction,
    Cache,
    CompactOptions,
    DBCompressionType,
    DBRecoveryMode,
    Options,
    WriteOptions,
)

from tierfold.ports import Family

_KIB, _MIB = 1024, 1024 * 1024

_JOBS = 2
_KEPT_LOGS = 2  # of RocksDB's own prose, not of changes
_RESTART_KEYS = 16  # 256 saves 2 % of the bytes and triples the time of a read
_TABLE_BLOCK_BYTES = 32 * _KIB  # against 4 KiB: a sixth fewer bytes of references once compressed
_ZSTD_LEVEL = 6
_ZSTD_WINDOW_BITS = -14  # zstd's own choice
_COMPACTION_BYTES_MAX = 256 * _MIB  # at once: what it writes lies beside what it reads meanwhile
_PACKED = frozenset((Family.BLOCK,))  # values that are compressed and large: a second time is waste


@dataclass(frozen=True, slots=True, kw_only=True)
class RocksSettings:
    """What one database may use."""

    cache_bytes: int = 16 * _MIB  # of table blocks, unpacked
    write_buffer_bytes: int = 32 * _MIB  # of one family; all together have twice that
    log_bytes_max: int = 64 * _MIB  # of changes that are in no table yet
    free_bytes_min: int = 0  # of the disk: below it only deletions are taken
    has_statistics: bool = False  # RocksDB counts what it does, at the cost of some speed


def database_options(settings: RocksSettings) -> Options:
    """Return the options of a whole database.

    Recovery tolerates a cut tail and nothing else. `point_in_time` would take a flipped byte in the
    middle of the log for its end, and drop the good records behind it without a word.
    """
    options = Options(raw_mode=True)
    options.create_if_missing(create_if_missing=True)
    options.create_missing_column_families(create_missing_cfs=True)
    options.set_wal_recovery_mode(DBRecoveryMode.tolerate_corrupted_tail_records())
    options.set_max_background_jobs(_JOBS)
    options.set_max_total_wal_size(settings.log_bytes_max)
    options.set_db_write_buffer_size(2 * settings.write_buffer_bytes)
    options.set_keep_log_file_num(_KEPT_LOGS)
    options.set_max_log_file_size(_MIB)
    options.set_stats_dump_period_sec(0)
    options.set_stats_persist_period_sec(0)
    if settings.has_statistics:
        options.enable_statistics()
    return options


def until_damage(options: Options) -> Options:
    """Return the options, changed to take the log up to its first damage."""
    options.set_wal_recovery_mode(DBRecoveryMode.point_in_time())
    return options


def family_options(family: Family, settings: RocksSettings, cache: Cache) -> Options:
    """Return the options of one family: keys with long common beginnings, packed once at rest."""
    tables = BlockBasedOptions()
    tables.set_block_cache(cache)
    tables.set_block_restart_interval(_RESTART_KEYS)
    tables.set_index_block_restart_interval(_RESTART_KEYS)
    tables.set_block_size(_TABLE_BLOCK_BYTES)
    options = Options(raw_mode=True)
    options.set_block_based_table_factory(tables)
    options.set_write_buffer_size(settings.write_buffer_bytes)
    options.set_max_compaction_bytes(_COMPACTION_BYTES_MAX)
    options.set_compression_type(DBCompressionType.none())
    if family not in _PACKED:
        options.set_bottommost_compression_type(DBCompressionType.zstd())
        options.set_bottommost_compression_options(
            _ZSTD_WINDOW_BITS, _ZSTD_LEVEL, strategy=0, max_dict_bytes=0, enable=True
        )
    return options


def write_options() -> WriteOptions:
    """Return the options of a write: it goes to the log, and waiting for the disk is another call.

    With `sync` rocksdict would stop all threads of the process for as long as the disk takes.
    """
    options = WriteOptions()
    options.sync = False
    return options


def compact_options() -> CompactOptions:
    """Return the options that write every table anew, the last level's too."""
    options = CompactOptions()
    options.set_bottommost_level_compaction(BottommostLevelCompaction.force())
    return options
