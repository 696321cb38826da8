"""A second backend in memory, for tests that need two."""

from dispatch.backends import BackendEntry
from dispatch.fake import FakeBackend

ENTRY = BackendEntry(title="Other", backend=FakeBackend)
