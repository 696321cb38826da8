"""`python -m tests.cluster.suite [pytest arguments]`: the tests that need a real cluster.

They run against the one of KUBECONFIG, or against that of `make cluster`, which is started when it
is not up, and left up. Where neither is to be had they do not run: that is a failure on CI, and
elsewhere a notice.
"""

import os
import sys
from collections.abc import Sequence

from tests.cluster.errors import ClusterError
from tests.cluster.layout import Layout
from tests.cluster.starting import up
from tests.counts import Counts
from tests.run import on_ci, report, run_part

PLACES = ["tests/cluster", "tests/conformance", "tests/contract", "tests/kube"]


def main(arguments: Sequence[str]) -> int:
    try:
        kubeconfig = os.environ.get("KUBECONFIG") or own_cluster()
    except ClusterError as error:
        print(f"\n{error}\n\nThe tests did NOT run on a real cluster.", flush=True)
        report("cluster", Counts(failed=int(on_ci())))
        return int(on_ci())
    os.environ["CONFORMANCE_KUBECONFIG"] = kubeconfig
    chosen = [] if any(item.startswith("tests/") for item in arguments) else PLACES
    return run_part("cluster", "cluster", None, [*chosen, *arguments])


def own_cluster() -> str:
    layout = Layout.numbered(0)
    up(layout, lambda text: print(text, flush=True))
    return str(layout.kubeconfig)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
