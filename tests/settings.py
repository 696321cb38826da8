"""The product's settings, with an environment that needs nothing prepared.

Set in the environment, not here, so that the processes which a test starts get the same.
"""

import os
import tempfile
from pathlib import Path

os.environ.setdefault("SWITCHYARD_SECRET_KEY", "only-for-tests")
# Never opened: conftest gives each pytest process a SQLite file of its own. Tests fear no power
# cut, so SQLite need not wait for the disk.
os.environ.setdefault(
    "DATABASE_URL",
    f"sqlite:///{Path(tempfile.gettempdir()) / 'switchyard-tests.sqlite3'}?synchronous=OFF",
)

from controlplane.settings import *  # noqa: E402, F403
