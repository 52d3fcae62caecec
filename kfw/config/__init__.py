"""What the user wants: files and flags in, Settings out, every problem named by file, line and column.

text -> nodes (yaml_text, toml_text) -> tree (schema, by blocks, shapes and scalars) -> merge -> build and conflicts
-> settings. Only read and sources touch the disk. Nothing here asks a cluster, a port or a daemon.
"""
