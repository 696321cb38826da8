"""Delivers webhooks (Standard Webhooks) from the outbox."""


def enqueue_due() -> None:
    """Hand due webhooks to the background functions."""
