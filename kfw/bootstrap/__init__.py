"""The stages behind the quick start's scripts: prerequisites, cluster, kubeconfig, platform, forwards, verification.

Each is a small function that is harmless to run again: it looks first, and does only what is missing. What runs other
programs is handed in (steps.py), so that `--dry-run` and the tests see every command line.
"""
