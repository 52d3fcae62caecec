"""`make fuzz`: what comes from outside, made from seeds, against the rooms that take it. README.md says how to replay one."""
