"""The checker of manifests finds each fault that it looks for."""

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from kube.manifest.job import Manifests
from tests.kube.making import container, make_manifests, with_service
from tests.kube.structure import faults

Change = Callable[[Manifests], Any]


def good() -> Manifests:
    keys = "environment: {A: '${X}'}\nshm_size: 1g\nvolumes: [/v]\nenv_file: .env"
    found = make_manifests(with_service(keys), variables={"X": "x"})
    # Parts that manifests share must not change together.
    return replace(
        found,
        job=copy.deepcopy(found.job),
        secrets=copy.deepcopy(found.secrets),
        config_map=copy.deepcopy(found.config_map),
    )


def pod(found: Manifests) -> dict[str, Any]:
    result: dict[str, Any] = found.job["spec"]["template"]["spec"]
    return result


def test_a_good_one_has_none() -> None:
    assert faults(good()) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m.job["metadata"].update(name="Not_a_label"),
        lambda m: m.job["metadata"]["labels"].update(a="b c"),
        lambda m: m.job["spec"].update(suspend=False),
        lambda m: m.job["spec"].update(backoffLimit=1),
        lambda m: pod(m).update(restartPolicy="Always"),
        lambda m: pod(m).update(hostname="a_b"),
        lambda m: container(m, "db").update(name="my_db"),
        lambda m: container(m, "db").update(name="agent"),
        lambda m: container(m, "db").update(image=""),
        lambda m: container(m, "db").update(command=["a\0b"]),
        lambda m: container(m, "db").update(args=[None]),
        lambda m: container(m, "db")["env"].append({"name": "A", "value": "twice"}),
        lambda m: container(m, "db")["env"].append({"name": "1", "value": ""}),
        lambda m: container(m, "db")["volumeMounts"].append({"name": "no", "mountPath": "/no"}),
        lambda m: container(m, "db")["volumeMounts"].append({"name": "bin", "mountPath": "/v"}),
        lambda m: container(m, "db")["volumeMounts"].append({"name": "bin", "mountPath": "x"}),
        lambda m: container(m, "db")["volumeMounts"].append(
            {"name": "bin", "mountPath": "/x", "subPath": "../x"}
        ),
        lambda m: container(m, "db").update(
            ports=[{"containerPort": 1, "protocol": "TCP"}, {"containerPort": 1, "protocol": "TCP"}]
        ),
        lambda m: container(m, "db")["resources"]["limits"].update(memory="1Mi"),
        lambda m: container(m, "db")["resources"]["limits"].update(memory="1.5Gi"),
        lambda m: container(m, "db").update(securityContext={"privileged": True}),
        lambda m: container(m, "db").update(
            securityContext={"capabilities": {"add": ["SYS_ADMIN"]}}
        ),
        lambda m: container(m, "db").update(securityContext={"runAsNonRoot": True}),
        lambda m: pod(m)["containers"].append(container(m, "db")),
        lambda m: pod(m)["volumes"].append({"name": "x", "hostPath": {"path": "/"}}),
        lambda m: pod(m)["volumes"].append({"name": "x", "emptyDir": {}}),
        lambda m: pod(m)["volumes"].append({"name": "bin", "emptyDir": {"sizeLimit": "1Gi"}}),
        lambda m: m.secrets[0]["data"].pop("token"),
        lambda m: m.secrets[0]["data"].pop("value-1"),
        lambda m: m.secrets[0]["data"].update({"a/b": ""}),
        lambda m: m.secrets[0]["data"].update(big="x" * 2_000_000),
        lambda m: m.secrets[1]["metadata"].update(name="other"),
        lambda m: m.config_map["data"].pop("hosts"),
    ],
)
def test_each_fault_is_found(change: Change) -> None:
    found = good()
    change(found)
    assert faults(found)
