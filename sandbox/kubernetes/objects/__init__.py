"""What happens to an object between the API and the store. Controllers write through it too."""

from .creating import create
from .deleting import DeleteOptions, delete
from .updating import update

__all__ = ["DeleteOptions", "create", "delete", "update"]
