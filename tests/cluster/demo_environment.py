"""What `make demo` has to be told of this cluster, in a file beside its kubeconfig; and the images
that it needs there."""

import os
from collections.abc import Mapping

from sandbox.demo import given
from tests.cluster.agent_image import agent_image
from tests.cluster.base_image import base_image
from tests.cluster.builder_image import EXECUTOR, IMAGE, builder_image
from tests.cluster.elsewhere import dns_policy
from tests.cluster.kept_images import Say
from tests.cluster.layout import Layout

# Of the product, for one node that shares its CPUs with everything else. What the builder writes to
# its disk is charged to its memory here.
FOR_ONE_NODE = {
    "SWITCHYARD_KUBE_CLASSES": "small:0.05/2:64Mi/1Gi:64Mi/4Gi,large:0.05/2:64Mi/2Gi:64Mi/4Gi",
    "SWITCHYARD_KUBE_LIMIT": "4",
}


def write_demo_environment(layout: Layout, say: Say) -> None:
    """Cheap when the images are there. Raises ClusterError, and leaves no old file behind."""
    file = layout.kubeconfig.parent / given.FILE
    file.unlink(missing_ok=True)
    text = "".join(f"{name}={text}\n" for name, text in demo_environment(layout, say).items())
    draft = file.with_suffix(".draft")
    draft.write_text(text)
    os.replace(draft, file)


def demo_environment(layout: Layout, say: Say) -> Mapping[str, str]:
    return {
        given.REGISTRY: f"{layout.registry}/switchyard",
        given.INSECURE: "true",
        given.AGENT: agent_image(layout, say),
        given.BUILDER: builder_image(layout),
        given.DNS_POLICY: dns_policy(layout),
        given.ADDRESS: layout.address,
        given.BASE_IMAGE: base_image(layout, say),
        **FOR_ONE_NODE,
    }


def builder_text() -> str:
    for name in (IMAGE, EXECUTOR):
        if text := os.environ.get(name):
            return f"Kaniko, of {name}={text}"
    return f"the test double of the executor: set {EXECUTOR} or {IMAGE} for the real Kaniko"
