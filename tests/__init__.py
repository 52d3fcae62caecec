"""Tests mirror kfw/: pure ones (milliseconds), `sandbox` (daemon and CLI whole, seconds), `real` (a real cluster)."""
