"""The files of the images that are not pulled: made once for a node, linked into each root.

DIR/standins/
- `busybox/`: `busybox`, and each applet as a link to it, as in /busybox of the -debug images
- `agent/`: what our image has in /opt/switchyard and /usr/local/bin
- `kaniko/executor`: starts the stand-in of the executor
"""

import json
import os
import shlex
import shutil
import sys
from pathlib import Path

from .disk import remove
from .images import Image
from .settings import Settings

CHECKOUT = Path(__file__).resolve().parents[3]
APPLETS = (
    "[ ash awk base64 basename cat chmod chown cmp cp cut date dd df diff dirname du echo env expr"
    " false find grep gunzip gzip head hostname id install kill ln ls md5sum mkdir mkfifo mktemp mv"
    " nc nohup od printenv printf ps pwd readlink realpath rm rmdir sed seq setsid sh sha256sum"
    " sleep sort stat sync tail tar tee test timeout touch tr true tty uname uniq usleep wc wget"
    " which xargs yes"
)

# $0 or the first argument names the applet. It is looked for where this sandbox found its tools,
# and its environment is left as it is. `ash` is the machine's sh.
_BUSYBOX = """\
#!/bin/sh
# Stands in for busybox: every applet is this machine's own program of that name.
applet=${0##*/}
if [ "$applet" = busybox ]; then
  if [ $# = 0 ]; then echo "BusyBox (a stand-in: the tools of this machine)"; exit 0; fi
  applet=$1
  shift
fi
name=$applet
if [ "$name" = ash ]; then name=sh; fi
set -f
folders=@PATH@
old_ifs=$IFS
IFS='
'
for folder in $folders; do
  if [ -x "$folder/$name" ] && [ ! -d "$folder/$name" ]; then
    IFS=$old_ifs
    exec "$folder/$name" "$@"
  fi
done
echo "$applet: applet not found" >&2
exit 127
"""

# A service is up until it is asked to end; one that others wait for ends by itself.
SERVICE = """\
echo "stand-in for $1"
if [ "$2" = once ]; then sleep "$3"; echo done; exit 0; fi
trap 'echo stopping; exit 0' TERM INT
while :; do sleep 86400 & wait $!; done
"""


class StandIns:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._folder = settings.state.absolute() / "standins"

    def make(self) -> None:
        """Anew at every start of the node: paths and registries may be other ones."""
        draft = self._folder.with_name(f".standins-{os.getpid()}")
        remove(draft)
        self._make_busybox(draft / "busybox")
        self._make_agent(draft / "agent")
        self._make_executor(draft / "kaniko")
        # Containers that run have links into the folder: it must never be without its files.
        for path in list(draft.rglob("*")):
            if path.is_symlink() or path.is_file():
                place = self._folder / path.relative_to(draft)
                place.parent.mkdir(parents=True, exist_ok=True)
                os.replace(path, place)
        remove(draft)

    def fill(self, image: Image, root: Path) -> None:
        """Make the root of a container of this image. Raises OSError."""
        if image.tree is not None:
            shutil.copytree(image.tree, root, symlinks=True)
        for name in ("tmp", "root", "etc", "dev"):
            (root / name).mkdir(parents=True, exist_ok=True)
        for place, source in self._links(image.kind).items():
            (root / place).parent.mkdir(parents=True, exist_ok=True)
            (root / place).symlink_to(source)
        if image.kind == "kaniko":
            (root / "workspace").mkdir()

    def _links(self, kind: str) -> dict[str, Path]:
        folder = self._folder
        if kind == "agent":
            return {
                "opt/switchyard": folder / "agent" / "switchyard",
                "usr/local/bin": folder / "agent" / "bin",
            }
        if kind == "busybox":
            return {"bin": folder / "busybox"}
        if kind == "kaniko":
            return {
                "busybox": folder / "busybox",
                "kaniko/executor": folder / "kaniko" / "executor",
            }
        return {}

    def _make_busybox(self, folder: Path) -> None:
        _write_script(folder / "busybox", _busybox())
        for name in APPLETS.split():
            (folder / name).symlink_to("busybox")

    def _make_agent(self, folder: Path) -> None:
        ours = CHECKOUT / "worker_image"
        (folder / "switchyard").mkdir(parents=True)
        for path in ours.iterdir():
            (folder / "switchyard" / path.name).symlink_to(path)
        _write_script(folder / "switchyard" / "busybox", _busybox())
        python = f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n'
        _write_script(folder / "bin" / "python3", python)

    def _make_executor(self, folder: Path) -> None:
        settings = {
            "SANDBOX_REGISTRIES": json.dumps(dict(self._settings.registries)),
            "SANDBOX_PATH": machine_path(),
            "PYTHONPATH": str(CHECKOUT),
        }
        exports = "".join(f"export {name}={shlex.quote(text)}\n" for name, text in settings.items())
        module = "sandbox.kubernetes.kubelet.kaniko"
        command = f'exec {shlex.quote(sys.executable)} -m {module} "$@"\n'
        _write_script(folder / "executor", f"#!/bin/sh\n{exports}{command}")


def machine_path() -> str:
    """Where this machine has its tools; every container finds them after its own."""
    return os.environ.get("PATH", os.defpath)


def _busybox() -> str:
    folders = "\n".join(machine_path().split(":"))
    return _BUSYBOX.replace("@PATH@", shlex.quote(folders))


def _write_script(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
