"""Kubeconfig files -> entries, as kubectl reads them, and what a context needs. Nothing here speaks to a cluster."""
