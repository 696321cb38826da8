"""What lies in the Secrets and in the ConfigMap."""

import base64
import json

from kube.manifest.dependents import hosts_file
from kube.manifest.request import Login
from tests.kube.making import MAIN, make_manifests, with_main


def test_the_hosts_file_has_localhost_the_pod_and_every_name() -> None:
    lines = hosts_file({"saturn_test_app": "127.0.0.1", "far": "10.0.0.1"}).splitlines()
    pairs = [(line.split()[0], name) for line in lines for name in line.split()[1:]]
    assert {
        ("127.0.0.1", "localhost"),
        ("::1", "localhost"),
        ("127.0.0.1", "task"),
        ("127.0.0.1", "saturn_test_app"),
        ("10.0.0.1", "far"),
    } <= set(pairs)


def test_the_plan_tells_the_agent_what_it_must_know() -> None:
    keys = (
        "entrypoint: /run --x\nenvironment: {A: x, B: }\nenv_file: [../a.env, .env]\n"
        "volumes: ['..:/app', './x:/y:ro', /own]\ndepends_on: [my_db]"
    )
    found = make_manifests(with_main(keys, "  my_db: {image: x}\n"), variables={"B": "s"})
    plan = json.loads(found.config_map["data"]["plan.json"])
    assert plan == {
        "version": 1,
        "service": "saturn_test_app",
        "entrypoint": ["/run", "--x"],
        "environment_names": ["A", "B"],
        "env_files": [
            {"path": "a.env", "required": True, "format": "compose", "task_variables": False},
            {"path": ".saturnci/.env", "required": True, "format": "compose",
             "task_variables": True},
        ],
        "services": [{"name": "my_db", "container": "my-db", "completes": False}],
    }  # fmt: skip


def test_an_entrypoint_of_the_image_is_told_from_none() -> None:
    def entrypoint(compose: str) -> object:
        found = make_manifests(compose).config_map["data"]["plan.json"]
        return json.loads(found)["entrypoint"]

    assert entrypoint(MAIN) is None
    assert entrypoint(with_main("entrypoint: []")) == []


def test_the_agent_gets_the_variables_as_json() -> None:
    variables = {"A": 'multi\nline "ü"', "B": ""}
    data = make_manifests(MAIN, variables=variables).secrets[0]["data"]
    assert json.loads(base64.b64decode(data["env"])) == variables
    assert base64.b64decode(data["token"]) == b"assignment-token"


def test_there_is_no_secret_of_variables_without_any() -> None:
    assert [item["metadata"]["name"][-3:] for item in make_manifests(MAIN).secrets] == ["-a1"]


def test_logins_are_for_the_registry_of_the_image() -> None:
    login = Login(username="user", password="p:w")
    found = make_manifests(MAIN, push_login=login, pull_login=login)
    own, pull = found.secrets
    config = json.loads(base64.b64decode(own["data"]["push-login"]))
    pair = base64.b64encode(b"user:p:w").decode()
    assert config == {"auths": {"registry.example.com:5000": {"auth": pair}}}
    assert pull["type"] == "kubernetes.io/dockerconfigjson"
    assert json.loads(base64.b64decode(pull["data"][".dockerconfigjson"])) == config
