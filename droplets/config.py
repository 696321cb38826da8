"""The droplet backend's settings, read from the environment; docs/settings.md explains each."""

from dataclasses import dataclass
from functools import cache

from dispatch import env


@dataclass(frozen=True, kw_only=True)
class Config:
    """Times are seconds, prices USD."""

    api_token: str
    endpoint: str
    request_timeout: float
    fleet: str
    region: str
    size: str
    image: str
    ssh_keys: tuple[str, ...]
    idle: int
    limit: int
    agent: str
    user_data: str
    api_host: str
    registry_username: str
    registry_password: str
    pool_every: float
    list_every: float
    boot_timeout: float
    silence: float
    grace: float
    trailer_wait: float
    report_wait: float
    create_retry: float

    @property
    def tag(self) -> str:
        """The tag of every droplet of this installation."""
        return f"switchyard-{self.fleet}"

    def name_of(self, worker_id: object) -> str:
        """The deterministic droplet name of a Worker: found again before it is made again."""
        return f"switchyard-{self.fleet}-{worker_id}"


DEFAULT_USER_DATA = """\
#!/bin/bash
export SATURNCI_API_HOST={api_host}
export WORKER_ID={worker_id}
export WORKER_ACCESS_TOKEN={worker_token}
export DOCKER_REGISTRY_CACHE_USERNAME={registry_username}
export DOCKER_REGISTRY_CACHE_PASSWORD={registry_password}
git clone https://github.com/saturnci/worker_agent.git /root/worker_agent
cd /root/worker_agent && bin/worker_agent
"""


@cache
def config() -> Config:
    """Read once per process. Raises `env.EnvError` naming the variable that is wrong."""
    return Config(
        api_token=env.raw("SWITCHYARD_DIGITALOCEAN_TOKEN", ""),
        endpoint=env.raw("SWITCHYARD_DIGITALOCEAN_ENDPOINT", "https://api.digitalocean.com/v2/"),
        request_timeout=env.number("SWITCHYARD_DIGITALOCEAN_TIMEOUT_SECONDS", 15, least=0.1),
        fleet=env.raw("SWITCHYARD_DROPLET_FLEET", "default"),
        region=env.raw("SWITCHYARD_DROPLET_REGION", "nyc1"),
        size=env.raw("SWITCHYARD_DROPLET_SIZE", "s-4vcpu-8gb"),
        image=env.raw("SWITCHYARD_DROPLET_IMAGE", "ubuntu-24-04-x64"),
        ssh_keys=tuple(env.words("SWITCHYARD_DROPLET_SSH_KEYS")),
        idle=env.integer("SWITCHYARD_POOL_IDLE", 20, most=1000),
        limit=env.integer("SWITCHYARD_POOL_LIMIT", 25, most=1000),
        agent=env.choice("SWITCHYARD_DROPLET_AGENT", "ruby", ("ruby", "switchyard")),
        user_data=env.raw("SWITCHYARD_DROPLET_USER_DATA", DEFAULT_USER_DATA),
        api_host=env.raw(
            "SWITCHYARD_AGENT_API_HOST", env.raw("SWITCHYARD_BASE_URL", "http://127.0.0.1:8000")
        ),
        registry_username=env.raw("SWITCHYARD_REGISTRY_CACHE_USERNAME", ""),
        registry_password=env.raw("SWITCHYARD_REGISTRY_CACHE_PASSWORD", ""),
        pool_every=env.number("SWITCHYARD_POOL_SECONDS", 5, least=0.05),
        list_every=env.number("SWITCHYARD_DROPLET_LIST_SECONDS", 15, least=0.05),
        boot_timeout=env.number("SWITCHYARD_DROPLET_BOOT_TIMEOUT_SECONDS", 600, least=1),
        silence=env.number("SWITCHYARD_WORKER_SILENCE_SECONDS", 60, least=0.5),
        grace=env.number("SWITCHYARD_RELEASE_GRACE_SECONDS", 15, least=0),
        trailer_wait=env.number("SWITCHYARD_TRAILER_WAIT_SECONDS", 10, least=0),
        report_wait=env.number("SWITCHYARD_REPORT_WAIT_SECONDS", 60, least=0),
        create_retry=env.number("SWITCHYARD_DROPLET_CREATE_RETRY_SECONDS", 20, least=0.1),
    )
