"""Where things are: kubeconfig, login, the API server, watches, and what a target resolves to.

Everything that speaks to an API server is here; it reads, and changes nothing in a cluster or a kubeconfig. How to
get to what was found is the business of kfw.methods.
"""
