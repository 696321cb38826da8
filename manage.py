#!/usr/bin/env python
"""Django's command line for Switchyard."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "controlplane.settings")
    from django.core.management import execute_from_command_line

    from dispatch.env import EnvError

    try:
        execute_from_command_line(sys.argv)
    except EnvError as problem:
        sys.exit(f"Settings: {problem}")


if __name__ == "__main__":
    main()
