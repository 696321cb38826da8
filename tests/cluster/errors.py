from pathlib import Path

TAIL_LINES = 25


class ClusterError(Exception):
    """The cluster could not be started or stopped. The message says what to do."""


def tail(log: Path, lines: int = TAIL_LINES) -> str:
    """The end of a log, with its name, for a message."""
    try:
        text = log.read_text(errors="replace")
    except FileNotFoundError:
        return f"({log} was never written)"
    last = text.splitlines()[-lines:]
    return "\n".join([f"The end of {log}:", *(f"  {line}" for line in last)])
