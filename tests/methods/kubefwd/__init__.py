"""The method kubefwd: its command line and lines, its root side, and a whole one with a stub that is not kubefwd."""
