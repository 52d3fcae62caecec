"""kfw keeps a Kubernetes cluster's ports on localhost. The nouns are in model.py, the way of the data in docs/architecture.md."""

__version__ = "0.1.0"
