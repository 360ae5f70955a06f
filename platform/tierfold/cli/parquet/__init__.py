"""Contexts as Parquet files, and back: one row per item, every row complete in itself."""
