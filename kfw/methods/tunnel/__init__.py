"""kfw's own tunnel: SPDY/3.1 to a pod's port through the API server, warm, and one round trip to open a connection.

stream.py is one connection, link.py one SPDY connection to one pod, pool.py and placing.py those of one forward,
method.py the member of the family. What the wire does, and why the rules here are as they are: docs/tunnel.md.
"""
