"""The page of `kfw web`: who may see it, what is asked for on it, and its files.

It knows the control API only as a handler of requests, and nothing here is imported while the page is off.
"""
