"""Lifecycle rules: what is acquired, how long it is kept, what has become stale; pure."""
