"""The API of our own agent: one Assignment, one bearer token, every call idempotent."""
