"""A real Kubernetes of one node, in namespaces of its own: everything it does is gone with it."""
