"""The Kubernetes backend: one Kubernetes Job per Assignment."""
