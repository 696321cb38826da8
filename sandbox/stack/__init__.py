"""A whole Switchyard on this machine: the sandbox clouds and our own processes, on loopback."""

from sandbox.stack.process import Process, ProcessFailed
from sandbox.stack.stack import Options, Stack

__all__ = ["Options", "Process", "ProcessFailed", "Stack"]
