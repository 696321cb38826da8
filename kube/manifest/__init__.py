"""From a plan to the manifests of one Assignment. Pure: values in, plain dicts out."""
