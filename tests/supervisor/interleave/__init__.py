"""Runner, pool and machine through random histories of a cluster, a network and a user, in virtual time.

`python -m tests.supervisor.interleave --seed 7` plays one and prints it; `--from 0 --to 20000` plays many.
"""
