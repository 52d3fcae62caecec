"""Where things are: kubeconfig, login, the API server, watches, and what a target resolves to."""
