"""The sandbox's image registry: the Distribution API, with each image's files kept as a tree."""
