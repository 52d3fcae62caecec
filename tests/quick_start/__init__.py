"""The quick start whole: its scripts, its container on a real Docker Engine, and the list of what was fragile in others."""
