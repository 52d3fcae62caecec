"""Container engines and kind: command lines, what they answer, and which nodes can be reached from here. Pure."""
