"""Everything that speaks to an API server: login, TLS, proxies, lists and watches, the upgrade for port-forward.

It reads, and changes nothing in a cluster. What the objects mean is the business of kfw.target.
"""
