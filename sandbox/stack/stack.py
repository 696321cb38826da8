"""The processes of a whole Switchyard, and the commands that prepare it."""

import json
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sandbox.stack.cluster import KUBECONFIG, Places, SandboxCluster
from sandbox.stack.process import Process, ProcessFailed, answers
from sandbox.stack.real_cluster import Given, RealCluster

ROOT = Path(__file__).resolve().parent.parent.parent
CLOUD_TOKEN = "SWITCHYARD_DIGITALOCEAN_TOKEN"
CLOUD_CREDENTIALS = (CLOUD_TOKEN, KUBECONFIG)
SECONDS_TO_START = 60.0
SECONDS_TO_PREPARE = 120.0

USER_DATA = """\
#!/bin/sh
export SATURNCI_API_HOST={api_host}
export WORKER_ID={worker_id}
export WORKER_ACCESS_TOKEN={worker_token}
exec "$SWITCHYARD_PYTHON" -m switchyard_agent
"""


@dataclass(frozen=True, kw_only=True)
class Options:
    """`state` holds everything that a run leaves behind. `settings` are extra environment
    variables for our own processes, `agent` for the agents on droplets, `sandbox` extra arguments
    of the DigitalOcean sandbox, `node` those of the cluster's node. `web_port` 0 picks a free one.
    `jobs` is how many Kubernetes Jobs may run at once; with 0 there is no cluster. `given` is a
    real one instead of the sandbox's. Without `droplets` there are none."""

    state: Path
    database_url: str = ""
    web_port: int = 0
    web_workers: int = 2
    idle: int = 6
    limit: int = 12
    jobs: int = 0
    given: Given | None = None
    droplets: bool = True
    speed: float = 20.0
    settings: Mapping[str, str] = field(default_factory=dict)
    agent: Mapping[str, str] = field(default_factory=dict)
    sandbox: tuple[str, ...] = ()
    node: tuple[str, ...] = ()


class Stack:
    """Use `prepare`, then `start`; `stop` leaves nothing running."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.state = options.state.absolute()
        self.state.mkdir(parents=True, exist_ok=True)
        self.web_port = options.web_port or free_port()
        self.cloud_port = free_port()
        self.cloud_token = secrets.token_hex(16)
        self.url = f"http://127.0.0.1:{self.web_port}"
        self.cluster = self._cluster() if options.jobs else None
        self.env = self._environment()
        self.cloud = self._stand_in(
            "digitalocean", "-m", "sandbox.digitalocean", *self._cloud_arguments()
        )
        self.web = self._python("web", "-m", "gunicorn", *self._web_arguments())
        self.controller = self._python("controller", "manage.py", "controller")
        self.functions = self._python("functions", "manage.py", "functions")

    @property
    def processes(self) -> list[Process]:
        """In the order in which they start."""
        cloud = [self.cloud] if self.options.droplets else []
        cluster = self.cluster.processes if self.cluster else []
        return [*cloud, *cluster, self.web, self.controller, self.functions]

    def prepare(self) -> None:
        """Migrate the database and gather the console's static files."""
        if self.cluster:
            self.cluster.prepare()
        self.manage("migrate", "--verbosity", "0")
        self.manage("collectstatic", "--no-input", "--verbosity", "0")

    def start(self) -> None:
        if self.options.droplets:
            self.cloud.start()
        if self.cluster:
            self.cluster.start()
        for process in (self.web, self.controller, self.functions):
            process.start()
        if self.options.droplets:
            self.cloud.wait_ready((self.state / "cloud" / "server.json").exists, SECONDS_TO_START)
        if self.cluster:
            self.cluster.wait_ready()
        self.web.wait_ready(lambda: answers(f"{self.url}/readyz"), SECONDS_TO_START)

    def stop(self) -> None:
        """Ends everything; droplets and containers last, so that no agent is left behind."""
        for process in reversed(self.processes):
            process.stop()
        self.destroy_machines()

    def destroy_machines(self) -> None:
        """Droplets and containers, also those of a run that was killed without a chance to end
        them."""
        try:
            if self.cluster:
                self.cluster.destroy_containers()
        finally:
            if self.options.droplets:
                self._destroy_droplets()

    def _destroy_droplets(self) -> None:
        command = [sys.executable, "-m", "sandbox.digitalocean", *self._cloud_arguments()]
        subprocess.run(
            [*command, "--destroy-all"], cwd=ROOT, env=self.env, capture_output=True, timeout=60
        )

    def check(self) -> None:
        """Raises ProcessFailed when one of the processes has ended by itself."""
        for process in self.processes:
            if not process.running:
                raise ProcessFailed(f"{process.name} ended:\n{process.tail()}")

    def manage(self, *arguments: str, stdin: str | None = None) -> str:
        """Run one of our commands to its end; its standard output."""
        command = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=self.env,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=SECONDS_TO_PREPARE,
        )
        if done.returncode:
            raise ProcessFailed(f"{' '.join(arguments)}:\n{done.stdout}{done.stderr}")
        return done.stdout

    def create_api_key(self, *arguments: str) -> str:
        scopes = "tasks:read,tasks:write,rollout:read,rollout:write"
        command = ("create-api-key", "--client", "rails", "--scopes", scopes, "--json")
        key: str = json.loads(self.manage(*command, *arguments))["secret"]
        return key

    def _python(self, name: str, *arguments: str) -> Process:
        """Of our processes only the controller gets the clouds' credentials, as in production."""
        log = self.state / "log" / f"{name}.log"
        env = {key: value for key, value in self.env.items() if key not in CLOUD_CREDENTIALS}
        if name == "controller":
            env = self.env
        return Process(name, [sys.executable, *arguments], env, ROOT, log)

    def _cluster(self) -> SandboxCluster | RealCluster:
        if self.options.given:
            return self._real_cluster(self.options.given)
        places = Places(
            state=self.state / "cluster",
            port=free_port(),
            registry_port=free_port(),
            node_port=free_port(),
        )
        return SandboxCluster(
            places, self._stand_in, speed=self.options.speed, options=self.options.node
        )

    def _real_cluster(self, given: Given) -> RealCluster:
        return RealCluster(
            given,
            self.state / "cluster",
            self._stand_in,
            web_port=self.web_port,
            git_port=free_port(given.address),
        )

    def _stand_in(self, name: str, *arguments: str) -> Process:
        """A part of the outside world: it knows nothing of our settings."""
        log = self.state / "log" / f"{name}.log"
        return Process(name, [sys.executable, *arguments], inherited(), ROOT, log)

    def _environment(self) -> dict[str, str]:
        options = self.options
        ours = {
            "SWITCHYARD_SECRET_KEY": secrets.token_urlsafe(32),
            "SWITCHYARD_SECURE_COOKIES": "false",
            "SWITCHYARD_BASE_URL": self.url,
            "SWITCHYARD_LOG_FORMAT": "text",
            "SWITCHYARD_ALLOW_FILE_CLONE_URLS": "true",
            "DATABASE_URL": options.database_url
            or f"sqlite:///{self.state / 'switchyard.sqlite3'}?synchronous=NORMAL",
            "SWITCHYARD_DIGITALOCEAN_ENDPOINT": f"http://127.0.0.1:{self.cloud_port}/v2/",
            CLOUD_TOKEN: self.cloud_token,
            "SWITCHYARD_DROPLET_AGENT": "switchyard",
            "SWITCHYARD_DROPLET_USER_DATA": USER_DATA,
            "SWITCHYARD_POOL_IDLE": str(options.idle),
            "SWITCHYARD_POOL_LIMIT": str(options.limit),
            "SWITCHYARD_POOL_SECONDS": "0.5",
            "SWITCHYARD_DROPLET_LIST_SECONDS": "2",
            "SWITCHYARD_DROPLET_CREATE_RETRY_SECONDS": "5",
            "SWITCHYARD_RELEASE_GRACE_SECONDS": "3",
            "SWITCHYARD_TRAILER_WAIT_SECONDS": "10",
        }
        ours |= self._cluster_settings()
        return {**inherited(), **ours, **options.settings}

    def _cluster_settings(self) -> dict[str, str]:
        if self.cluster is None:
            return {"SWITCHYARD_BACKENDS": "droplets"}
        backends = "droplets,kubernetes" if self.options.droplets else "kubernetes"
        return {
            **self.cluster.settings(),
            "SWITCHYARD_BACKENDS": backends,
            "SWITCHYARD_KUBE_LIMIT": str(self.options.jobs),
        }

    def _cloud_arguments(self) -> list[str]:
        agent = {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "PYTHONPATH": str(ROOT / "worker_image"),
            "SWITCHYARD_PYTHON": sys.executable,
            "SWITCHYARD_POLL_SECONDS": "1",
            **self.options.agent,
        }
        pairs = [f"--env={name}={value}" for name, value in agent.items()]
        arguments = ["--state", str(self.state / "cloud"), "--port", str(self.cloud_port)]
        arguments += ["--token", self.cloud_token, "--speed", str(self.options.speed)]
        return [*arguments, *pairs, *self.options.sandbox]

    def _web_arguments(self) -> list[str]:
        workers = str(self.options.web_workers)
        binds = ["--bind", f"127.0.0.1:{self.web_port}"]
        if isinstance(self.cluster, RealCluster):
            binds += ["--bind", self.cluster.bind]
        threads = ["--worker-class", "gthread", "--threads", "4"]
        return ["controlplane.wsgi", *binds, "--workers", workers, *threads]


def inherited() -> dict[str, str]:
    """This process's environment without what would steer the product."""
    ours = ("SWITCHYARD_", "DJANGO_", "DATABASE_URL", "KUBECONFIG")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def free_port(address: str = "127.0.0.1") -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        port: int = probe.getsockname()[1]
        return port
