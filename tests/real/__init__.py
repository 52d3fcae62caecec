"""Tests on a real cluster (../shared/cluster), through the CLI as a user runs it. All are marked `real`."""
