"""What Switchyard assumes of a Kubernetes API, as tests that any API server must pass.

They run against the sandbox, and against the server of a kubeconfig where CONFORMANCE_KUBECONFIG
names one. They need no kubelet: a Node of their own has none, and they say themselves what became
of its pods. They touch only namespaces and nodes that they have made.
"""
