"""Process 1 of a simulated droplet. Runs the user data once, and adopts what it leaves behind.

Started as a file by itself (no package, no site), with the droplet's directory as its argument:

- Orphans of the droplet are re-parented to it, so the whole tree can be found from here.
- `machine.json` (the pid) is made by a hard link, which exactly one process can
  do: whatever crashes and is started again, the user data runs at most once in a droplet's life,
  as cloud-init does it.
- `exit.json` keeps the wait status of the user data script.
"""

import ctypes
import json
import os
import signal
import sys

_PR_SET_CHILD_SUBREAPER = 36


def main(directory: str) -> int:
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        print("machine: orphans cannot be adopted here", flush=True)
    if not _register(directory):
        return 0
    os.chdir(os.path.join(directory, "home"))
    _reap(directory, _run_user_data(os.path.join(directory, "user_data.sh")))
    return 0


def _run_user_data(script: str) -> int:
    # Python ignores these two signals, and a child would inherit that.
    usual = [signal.SIGPIPE, signal.SIGXFSZ]
    return os.posix_spawnp("sh", ["sh", script], dict(os.environ), setsid=True, setsigdef=usual)


def _register(directory: str) -> bool:
    """Claim this machine; False when another process has it, or when it has been destroyed."""
    draft = os.path.join(directory, f".machine.{os.getpid()}")
    try:
        with open(draft, "w") as file:
            json.dump({"pid": os.getpid()}, file)
        os.link(draft, os.path.join(directory, "machine.json"))
    except (FileExistsError, FileNotFoundError):
        return False
    finally:
        if os.path.exists(draft):
            os.unlink(draft)
    return True


def _reap(directory: str, script: int) -> None:
    """Wait until no process of this droplet is left."""
    while True:
        try:
            pid, status = os.wait()
        except ChildProcessError:
            return
        if pid == script:
            _record_exit(directory, os.waitstatus_to_exitcode(status))


def _record_exit(directory: str, code: int) -> None:
    draft = os.path.join(directory, ".exit")
    with open(draft, "w") as file:
        json.dump({"exit_code": code}, file)
    os.replace(draft, os.path.join(directory, "exit.json"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
