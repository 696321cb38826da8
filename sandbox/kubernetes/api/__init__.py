"""The verbs of the API, as HTTP has them."""
