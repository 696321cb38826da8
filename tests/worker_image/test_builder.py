from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from worker_image.switchyard_agent.builder import Image, Tools, build
from worker_image.switchyard_agent.errors import BuildFailed
from worker_image.switchyard_agent.image_config import BuildInputs
from worker_image.switchyard_agent.processes import Runner
from worker_image.switchyard_agent.stopping import Stop
from worker_image.switchyard_agent.workspace import Workspace

Build = Callable[..., Image]


@pytest.fixture
def output() -> list[bytes]:
    return []


@pytest.fixture
def build_text(tmp_path: Path, output: list[bytes]) -> Build:
    """Builds a Dockerfile's text in a checkout that has `a.txt` and `sub/b.txt`."""
    space = Workspace(root=tmp_path)
    for path in ("a.txt", "sub/b.txt"):
        (space.checkout / path).parent.mkdir(parents=True, exist_ok=True)
        (space.checkout / path).write_text(path)
    runner = Runner(stop=Stop(1), ends_at=time.monotonic() + 30, grace_seconds=1)

    def build_it(text: str | None, **build_args: str) -> Image:
        if text is not None:
            (space.checkout / "Dockerfile").write_text(text)
        inputs = BuildInputs(env={"PATH": os.environ["PATH"]}, build_args=build_args)
        tools = Tools(runner=runner, sink=output.append)
        return build(space, "Dockerfile", inputs=inputs, tools=tools)

    return build_it


def lines(image: Image, name: str) -> list[str]:
    return (image.root / name).read_text().splitlines()


def test_without_a_dockerfile_the_checkout_itself_is_used(build_text: Build) -> None:
    image = build_text(None)
    assert image.root.name == "checkout"
    assert image.env == {}


def test_steps_run_in_a_copy_and_leave_the_checkout_alone(
    build_text: Build, tmp_path: Path
) -> None:
    image = build_text("FROM x\nCOPY . /app\nUSER nobody\nRUN cat a.txt > out && rm a.txt\n")
    assert lines(image, "out") == ["a.txt"]
    assert not (image.root / "a.txt").exists()
    assert (tmp_path / "checkout" / "a.txt").exists()
    assert not (tmp_path / "checkout" / "out").exists()


def test_variables_hold_for_later_steps_and_a_build_argument_only_where_it_is_asked_for(
    build_text: Build,
) -> None:
    image = build_text(
        "ARG RUBY=3\nFROM ruby:$RUBY\nARG RUBY\nARG MODE=slow\nENV A=1 B=$MODE\n"
        'RUN echo "$A $B $RUBY ${UNASKED-unset}" > out\n',
        MODE="fast",
        UNASKED="given",
    )
    assert lines(image, "out") == ["1 fast 3 unset"]
    assert image.env == {"A": "1", "B": "fast"}


def test_arguments_end_with_their_stage_and_variables_go_on(build_text: Build) -> None:
    image = build_text("FROM x AS base\nARG A=1\nENV E=2\nFROM base\nRUN echo ${A-gone} $E > out\n")
    assert lines(image, "out") == ["gone 2"]


def test_a_workdir_below_the_place_of_the_checkout_is_a_folder_of_it(
    build_text: Build, tmp_path: Path
) -> None:
    image = build_text(
        "FROM x\nENV HOME_DIR=/srv/app\nWORKDIR /tmp/tools\nRUN touch t\n"
        "WORKDIR $HOME_DIR\nCOPY --chown=a:b . .\nRUN touch top\n"
        "WORKDIR sub\nRUN cat b.txt > seen\nWORKDIR ../new\nRUN touch n\n"
    )
    assert (image.root / "top").exists()
    assert lines(image, "sub/seen") == ["sub/b.txt"]
    assert (image.root / "new" / "n").exists()
    assert (tmp_path / "outside" / "tmp" / "tools" / "t").exists()


def test_what_another_stage_gives_does_not_move_the_checkout(build_text: Build) -> None:
    image = build_text(
        "FROM x AS assets\nRUN exit 1\nFROM y\nWORKDIR /app\nCOPY --from=assets . /elsewhere\n"
        "RUN cat a.txt > out\n"
    )
    assert lines(image, "out") == ["a.txt"]


def test_a_step_is_a_list_or_a_script_for_the_shell_that_was_set(build_text: Build) -> None:
    image = build_text(
        'FROM x\nRUN ["touch", "$A"]\nSHELL ["/bin/sh", "-u", "-c"]\nRUN echo $- > flags\n'
        'SHELL ["/usr/bin/env", "python3", "-c"]\nRUN open("py", "w").write("1")\n'
    )
    assert (image.root / "$A").exists()
    assert "u" in lines(image, "flags")[0]
    assert (image.root / "py").exists()


def test_here_documents_are_run(build_text: Build) -> None:
    image = build_text(
        "FROM x\nRUN <<EOF\necho $((1 + 1)) > one\nEOF\n"
        "RUN <<'EOF'\n#!/usr/bin/env python3\nopen('two', 'w').write('2')\nEOF\n"
        "RUN cat > three <<EOF && cat three\nhello\nEOF\n"
    )
    assert lines(image, "one") == ["2"]
    assert lines(image, "two") == ["2"]
    assert lines(image, "three") == ["hello"]


def test_the_first_command_of_a_step_that_fails_ends_the_build(
    build_text: Build, output: list[bytes]
) -> None:
    text = "FROM x\nRUN touch first\nRUN echo trying; false; touch second\nRUN touch third\n"
    with pytest.raises(BuildFailed, match=r"line 3 .* exit code 1: trying"):
        build_text(text)
    assert b"line 3 of the Dockerfile: RUN echo trying; false" in b"".join(output)


def test_a_shell_that_is_not_there_fails_the_build(build_text: Build) -> None:
    with pytest.raises(BuildFailed, match="line 3.*exit code 127: /no/shell: No such file"):
        build_text('FROM x\nSHELL ["/no/shell", "-c"]\nRUN true\n')


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("FROM x\nENV A=1 B", "line 2 of the Dockerfile: ENV A=1 B is not NAME=VALUE"),
        ("FROM x\nSHELL /bin/bash", "line 2 of the Dockerfile: SHELL needs a JSON list"),
    ],
)
def test_a_wrong_instruction_is_named(build_text: Build, text: str, message: str) -> None:
    with pytest.raises(BuildFailed, match=message):
        build_text(text)


def test_the_old_form_of_env_takes_the_rest_of_the_line(build_text: Build) -> None:
    assert build_text("FROM x\nENV A one two\n").env == {"A": "one two"}
