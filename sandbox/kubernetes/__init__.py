"""The sandbox Kubernetes API: real HTTP on loopback, with the controllers of a control plane."""
