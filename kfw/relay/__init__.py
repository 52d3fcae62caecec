"""Carrying bytes for the ports kfw owns: listen, hold, choose, retry, drain, copy."""
