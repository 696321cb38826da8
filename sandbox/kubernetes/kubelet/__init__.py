"""The sandbox's node: runs whole pods as local processes, without root and without namespaces."""
