"""Tests mirror kfw/. Marks: `sandbox` is daemon and CLI whole, in seconds; `real` needs a cluster."""
