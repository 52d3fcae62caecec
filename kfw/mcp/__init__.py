"""`kfw mcp`: kfw's commands as tools for programs that speak the Model Context Protocol. What answers is the commands
themselves, each run as a process; nothing here talks to the daemon, a cluster or a file.
"""
