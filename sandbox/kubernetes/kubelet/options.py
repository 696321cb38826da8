"""The command line of the node."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sandbox.span import Span

from .settings import Settings

_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox.kubernetes.kubelet",
        description="A node of the sandbox cluster: runs pods as local processes.",
    )
    parser.add_argument("--state", type=Path, required=True, help="where everything is kept")
    parser.add_argument("--api", help="URL of the API server")
    parser.add_argument("--token", default="", help="bearer token for it")
    parser.add_argument("--node", default="node-1", help="name of the node (%(default)s)")
    parser.add_argument("--port", type=int, default=0, help="0, the default: a free one")
    parser.add_argument(
        "--speed", type=_positive, default=1.0, help="divides what is simulated (%(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of what is drawn (%(default)s)")
    _add_machine(parser)
    _add_images(parser)
    parser.add_argument(
        "--destroy-all", action="store_true", help="end every container, forget every pod, exit"
    )
    parser.add_argument(
        "--destroy-on-exit", action="store_true", help="the same when the kubelet is asked to end"
    )
    parser.add_argument("--verbose", action="store_true", help="log every request")
    return parser


def _add_machine(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--cpu", default="32", help="allocatable (%(default)s)")
    add("--memory", default="128Gi", help="allocatable (%(default)s)")
    add("--storage", default="1000Gi", help="allocatable ephemeral-storage (%(default)s)")
    add("--pods", default="110", help="allocatable (%(default)s)")
    add("--label", type=_pair, action="append", default=[], metavar="NAME=VALUE")
    add("--taint", type=_taint, action="append", default=[], metavar="KEY=VALUE:EFFECT")
    add(
        "--env", type=_pair, action="append", default=[], metavar="NAME=VALUE",
        help="a variable of every container",
    )  # fmt: skip


def _add_images(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--image", type=_pair, action="append", default=[], metavar="REGEX=KIND",
        help="what an image stands for (agent, busybox, kaniko, service), before the own table",
    )  # fmt: skip
    add(
        "--registry", type=_pair, action="append", default=[], metavar="HOST=URL",
        help="where the registry answers that references call HOST",
    )  # fmt: skip
    add(
        "--pull-seconds", type=_checked(Span.parse), default=Span(0.5, 2), metavar="LO:HI",
        help="of an image that is not on the node yet (0.5:2)",
    )  # fmt: skip
    add(
        "--service-seconds", type=_checked(Span.parse), default=Span(1, 3), metavar="LO:HI",
        help="until a service is up (1:3)",
    )  # fmt: skip


def read_settings(options: argparse.Namespace) -> Settings:
    return Settings(
        api=options.api or "",
        token=options.token,
        node=options.node,
        state=options.state.absolute(),
        port=options.port,
        speed=options.speed,
        seed=options.seed,
        env=dict(options.env),
        labels=dict(options.label),
        taints=tuple(options.taint),
        allocatable={
            "cpu": options.cpu,
            "memory": options.memory,
            "ephemeral-storage": options.storage,
            "pods": options.pods,
        },
        images=tuple(options.image),
        registries=dict(options.registry),
        pull_seconds=options.pull_seconds,
        service_seconds=options.service_seconds,
        verbose=options.verbose,
    )


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f'"{text}" must be a number above 0')
    return number


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f'"{text}": write NAME=VALUE')
    return name, value


def _taint(text: str) -> dict[str, str]:
    pair, _, effect = text.rpartition(":")
    key, _, value = pair.partition("=")
    if not key or effect not in _EFFECTS:
        raise argparse.ArgumentTypeError(
            f'"{text}": write KEY=VALUE:EFFECT with an effect of {", ".join(_EFFECTS)}'
        )
    return {"key": key, "value": value, "effect": effect}


def _checked(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return read
