"""Tab completion: commands, options and their values, from the cluster and the daemon, in the time between two keys.

Typer's own takes 0.2 s, most of it for importing what it needs to know of one command: here that is a tree in a file.
"""
