"""Fewer bytes for the same content; what comes back is equal."""
