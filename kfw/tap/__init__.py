"""What goes through a forward, read: `kfw tap`. In a process of its own, over what the daemon copies (daemon/taps.py)."""
