"""Starting the cluster, step by step, and each part of it again."""

import hashlib
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from tests.cluster import asking, binaries, config_files, images, machine, processes, programs
from tests.cluster.errors import ClusterError, tail
from tests.cluster.layout import Layout
from tests.cluster.packages import check_machine
from tests.cluster.programs import Program
from tests.cluster.stopping import is_clean, kept_logs, stop

Say = Callable[[str], None]

READY_SECONDS = 90.0
ALL_PARTS = (
    programs.ETCD,
    programs.REGISTRY_SERVER,
    programs.API_SERVER,
    programs.CONTROLLER_MANAGER,
    programs.SCHEDULER,
    programs.CONTAINERD,
    programs.KUBELET,
)


def up(layout: Layout, say: Say) -> None:
    """Returns when pods run. One that is up already is left as it is."""
    if is_up(layout):
        say("The cluster is up already.")
        if layout.ready.read_text() != fingerprint():
            say("It was started from other sources: `make cluster-down` first, for one from these.")
        return
    check_machine(builds=bool(binaries.missing()))
    binaries.build_all(say)
    if not is_clean(layout):
        say("removing what is left of an earlier cluster")
        stop(layout)
    try:
        start(layout, say)
    except BaseException:
        say("stopping what was started")
        stop(layout, keep_logs=True)
        say(f"its logs are kept in {kept_logs(layout)}")
        raise


def is_up(layout: Layout) -> bool:
    """It was seen to work once, each part runs, and those that can be asked say: all is well."""
    if not layout.ready.exists():
        return False
    wanted = {program.part for program in ALL_PARTS} | {programs.NODE_PART}
    return wanted <= set(processes.running(layout)) and all(
        check(layout)
        for check in (asking.api_is_ready, asking.node_is_ready, asking.registry_answers)
    )


def start(layout: Layout, say: Say) -> None:
    say("making tmpfs, bridge and cgroups")
    machine.mount_root(layout)
    machine.make_bridge(layout)
    machine.make_cgroups(layout)
    config_files.write_all(layout)
    say("starting etcd, the API server and the registry")
    start_node(layout)
    start_program(layout, programs.REGISTRY_SERVER, asking.registry_answers)
    start_program(layout, programs.ETCD)
    start_program(layout, programs.CONTAINERD, lambda layout: layout.containerd_socket.exists())
    start_program(layout, programs.API_SERVER, asking.api_is_ready)
    say("starting the controllers, the scheduler and the node")
    start_program(layout, programs.CONTROLLER_MANAGER)
    start_program(layout, programs.SCHEDULER)
    images.push_base_images(layout)
    start_program(layout, programs.KUBELET, asking.node_is_ready)
    wait_for(layout, programs.CONTROLLER_MANAGER.part, asking.accounts_are_made)
    layout.ready.write_text(fingerprint())


def fingerprint() -> str:
    """Of the code that a cluster is started by, and the sources of its programs."""
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parent.glob("*.py")):
        if not file.name.startswith("test_"):
            digest.update(file.read_bytes())
    for name in binaries.PROGRAMS:
        digest.update(binaries.binary(name).name.encode())
    return digest.hexdigest()


def start_node(layout: Layout) -> None:
    command = programs.node_command(layout)
    process = processes.start(layout, programs.NODE_PART, command)
    wait_for(layout, programs.NODE_PART, lambda _: programs.node_is_made(layout).exists(), process)


def start_program(
    layout: Layout, program: Program, is_ready: Callable[[Layout], bool] | None = None
) -> None:
    """A part that is down, also one that was killed. Returns when it is ready."""
    node = processes.running(layout).get(programs.NODE_PART)
    if node is None:
        raise ClusterError("The process that keeps the node's mounts has gone: make cluster-down")
    process = processes.start(layout, program.part, program.command(layout, node))
    if is_ready is not None:
        wait_for(layout, program.part, is_ready, process)


def wait_for(
    layout: Layout,
    part: str,
    is_ready: Callable[[Layout], bool],
    process: subprocess.Popen[bytes] | None = None,
) -> None:
    """Raises ClusterError with the end of the part's log when that has ended, or takes too long."""
    deadline = time.monotonic() + READY_SECONDS
    while not is_ready(layout):
        if process is not None and process.poll() is not None:
            code = process.returncode
            raise ClusterError(f"{part} ended with code {code}.\n{tail(layout.log(part))}")
        if time.monotonic() > deadline:
            raise ClusterError(
                f"{part} was not ready after {READY_SECONDS:g} s.\n{tail(layout.log(part))}"
            )
        time.sleep(0.05)
