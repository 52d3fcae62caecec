"""Faults, alone and in pairs with "pods go", on a cluster of the rig, under load, beside kubectl and the bare node port.

`python -m tests.real.chaos --list` (make chaos) says which; docs/reliability.md says what is measured and what must hold.
"""
