"""Simulators: they replay what happened through the very decisions that the product makes."""
