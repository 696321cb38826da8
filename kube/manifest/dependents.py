"""What belongs to a Job and goes with it: Secrets and a ConfigMap."""

import base64
import json
from collections.abc import Mapping
from dataclasses import asdict

from kube.manifest.places import Json
from kube.manifest.request import JobRequest, Login
from kube.names import HOSTNAME
from kube.planner.plan import Plan, Service
from kube.planner.template import Template

LOCAL_HOSTS = """\
127.0.0.1 localhost
::1 localhost ip6-localhost ip6-loopback
fe00::0 ip6-localnet
ff02::1 ip6-allnodes
ff02::2 ip6-allrouters
"""
OPAQUE, DOCKER = "Opaque", "kubernetes.io/dockerconfigjson"


def secrets(request: JobRequest, values: Mapping[str, str], metadata: Json) -> list[Json]:
    """`values` are the texts that containers refer to. `metadata` is that of the Job's own."""
    found = [_secret(request.dependents, OPAQUE, _own_secret(request, values), metadata)]
    if request.variables:
        found.append(_secret(request.variables_secret, OPAQUE, request.variables, metadata))
    if request.pull_login:
        content = {".dockerconfigjson": docker_config(request.registry, request.pull_login)}
        found.append(_secret(request.pull_secret, DOCKER, content, metadata))
    return found


def _own_secret(request: JobRequest, values: Mapping[str, str]) -> dict[str, str]:
    found = {
        "token": request.token,
        "env": json.dumps(dict(request.variables), ensure_ascii=False),
        **values,
    }
    if request.pull_login:
        found["pull-login"] = docker_config(request.registry, request.pull_login)
    if request.push_login and request.builds:
        found["push-login"] = docker_config(request.registry, request.push_login)
    return found


def docker_config(registry: str, login: Login) -> str:
    pair = base64.b64encode(f"{login.username}:{login.password}".encode()).decode()
    return json.dumps({"auths": {registry: {"auth": pair}}})


def config_map(plan: Plan, request: JobRequest, metadata: Json) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {**metadata, "name": request.dependents},
        "immutable": True,
        "data": {
            "hosts": hosts_file(plan.hosts),
            "plan.json": json.dumps(plan_for_agent(plan), ensure_ascii=False, indent=1),
        },
    }


def hosts_file(hosts: Mapping[str, str]) -> str:
    lines = [f"{address} {name}\n" for name, address in {HOSTNAME: "127.0.0.1", **hosts}.items()]
    return LOCAL_HOSTS + "".join(lines)


def plan_for_agent(plan: Plan) -> Json:
    """kube/README.md describes it. It holds no secret."""
    main = plan.main
    return {
        "version": 1,
        "service": main.name,
        "entrypoint": None if main.entrypoint is None else _words(main.entrypoint.words),
        "environment_names": list(main.environment),
        "env_files": [asdict(file) for file in main.env_files],
        "services": [_service(service) for service in plan.services],
    }


def _words(words: tuple[Template, ...]) -> list[str]:
    return [word.render({}) for word in words]


def _service(service: Service) -> Json:
    return {
        "name": service.name,
        "container": service.container,
        "completes": service.completes,
    }


def _secret(name: str, kind: str, texts: Mapping[str, str], metadata: Json) -> Json:
    data = {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {**metadata, "name": name},
        "immutable": True,
        "type": kind,
        "data": data,
    }
