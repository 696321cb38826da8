"""A whole Switchyard on this machine: the sandbox clouds and our own processes, on loopback."""

from sandbox.stack.process import Process, ProcessFailed
from sandbox.stack.real_cluster import Given
from sandbox.stack.stack import Options, Stack

__all__ = ["Given", "Options", "Process", "ProcessFailed", "Stack"]
