"""The Kubernetes API of the sandbox: the objects, the verbs on them, and HTTP. Knows nothing of pods that really serve."""
