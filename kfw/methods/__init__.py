"""How to get to an endpoint: one small protocol (base.py), one file per member, one list (choose.py)."""
