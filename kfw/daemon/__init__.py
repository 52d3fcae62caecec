"""The process that owns it all: control socket, handlers, events, what survives a restart."""
