"""The method forwarder: its command line, its handshake, its containers with a stub for docker."""
