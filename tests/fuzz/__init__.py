"""`make fuzz`: input from seeds for the rooms that take what comes from outside. README.md says how to replay a seed."""
