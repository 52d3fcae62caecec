"""This machine: processes, ports, files, clocks. Nobody else calls the operating system for these."""
