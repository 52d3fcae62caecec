"""The stages behind the quick start's scripts, and the checks that doctor shares: what must be so on this machine.

Each stage is a small function that is harmless to run again: it looks first, and does only what is missing. What runs
other programs is handed in (steps.py), so that `--dry-run` and the tests see every command line.
"""
