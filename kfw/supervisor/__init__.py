"""Keeping it so: what to start and stop (plan.py), what to do next (machine.py), and one task per forward that does it."""
