"""kfw's own tunnel: SPDY/3.1 to a pod's port through the API server, warm, and one round trip to open a connection.

stream.py is one connection, link.py one SPDY connection to one pod. pool.py decides (purely) which gets which and what is
dialled, driver.py does it, link_health.py asks links whether they answer. budget.py is what all forwards share, policy.py
has all numbers, method.py is the member of the family.

What the wire does, and why the rules are as they are: docs/tunnel.md.
"""
