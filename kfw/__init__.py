"""kfw keeps a Kubernetes cluster's ports on localhost. The nouns: model.py; the way of the data: docs/architecture.md."""

__version__ = "0.1.0"
