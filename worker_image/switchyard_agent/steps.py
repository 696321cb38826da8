"""The steps of a run, in order: clone, build, pre script, tests. They know no protocol."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from . import database_file, results, suite
from .builder import Image, Tools, build
from .checkout import basic_credentials, check_out
from .errors import Interrupted, PreScriptFailed
from .image_config import BuildInputs
from .processes import LastLines, Runner
from .report import Logs, Report
from .work_order import WorkOrder
from .workspace import Workspace

# Those of a Task's variables that the legacy agent hands to a Dockerfile that asks for them.
BUILD_ARGS = (
    "ARCH",
    "NODE_ARCH",
    "BUNDLE_GEMFILE",
    "BUNDLE_GEMS__CONTRIBSYS__COM",
    "BUNDLE_GITHUB__COM",
)
COMMAND_NOT_FOUND = 127


@dataclass(frozen=True, kw_only=True)
class Run:
    """One work order being carried out."""

    order: WorkOrder
    report: Report
    logs: Logs
    runner: Runner
    space: Workspace

    def say(self, text: str) -> None:
        """From the thread that runs the steps: what a command left half-written is a line."""
        self.logs.system.end_line()
        self.logs.system.line(text)

    def machine_env(self) -> dict[str, str]:
        return self.space.environment(os.environ)

    def task_env(self, image: Image) -> dict[str, str]:
        """Of pre script and tests: the machine's, the image's, the Task's own, in this order."""
        env = {**self.machine_env(), **image.env}
        for name, value in self.order.env_vars.items():
            if value is None:
                env.pop(name, None)
            else:
                env[name] = value
        return {**env, **suite.variables(self.order)}


def carry_out(run: Run) -> None:
    """Raises StepFailed, Stopped or TimedOut; a test suite that fails is a result, no error."""
    run.report.event("runner_ready")
    clone(run)
    run.report.event("repository_cloned")
    image = build_image(run)
    run_pre_script(run, image)
    run_tests(run, image)


def clone(run: Run) -> None:
    run.say(f"Cloning {run.order.repository or run.order.clone_url} at {run.order.commit}")
    token = run.report.git_token()
    if token:
        run.logs.redactor.add([token, basic_credentials(token)])
    check_out(
        run.order,
        into=run.space.checkout,
        token=token,
        runner=run.runner,
        env=run.machine_env(),
        sink=run.logs.system.write,
    )
    if said := database_file.put_in_place(run.space.checkout):
        run.say(said)


def build_image(run: Run) -> Image:
    dockerfile = run.order.paths.dockerfile
    if not (run.space.checkout / dockerfile).is_file():
        run.say(f"There is no {dockerfile}: nothing to build")
    given = run.order.env_vars
    inputs = BuildInputs(
        env=run.machine_env(),
        build_args={name: value for name in BUILD_ARGS if (value := given.get(name)) is not None},
    )
    tools = Tools(runner=run.runner, sink=run.logs.system.write)
    image = build(run.space, dockerfile, inputs=inputs, tools=tools)
    return image


def run_pre_script(run: Run, image: Image) -> None:
    """The event that says it has finished is missing where it failed."""
    path = run.order.paths.pre_script
    script = image.root / path
    run.report.event("pre_script_started")
    if script.is_file():
        run.say(f"Running {path}")
        script.chmod(0o755)
        output = LastLines(run.logs.system.write)
        # The shell also runs a script that names no interpreter.
        argv = ("/bin/sh", "-c", '"$0"', f"./{path}")
        code = run.runner.run(argv, cwd=image.root, env=run.task_env(image), sink=output)
        if code:
            raise PreScriptFailed(f"{path} failed with exit code {code}: {output.text()}")
    run.report.event("pre_script_finished")


def run_tests(run: Run, image: Image) -> None:
    seen = suite.see(run.order, image.root, run.machine_env())
    chosen = suite.decide(run.order, seen)
    output = image.root / suite.RESULTS
    output.parent.mkdir(parents=True, exist_ok=True)
    # A result that came with the repository or from the build is not this run's.
    output.unlink(missing_ok=True)
    if chosen.uses_rspec:
        count_examples(run, image)
    run.report.event("test_suite_started")
    code = _exit_code(run, image, chosen, output)
    _write_trailer(run, code)
    _send_results(run, image, output)


def count_examples(run: Run, image: Image) -> None:
    """Tells how many examples the whole suite has, where RSpec can say so without running it."""
    argv = (*(suite.rspec_argv(image.root, run.machine_env()) or ()), "--dry-run")
    output = LastLines(run.logs.system.write)
    code = run.runner.run(argv, cwd=image.root, env=run.task_env(image), sink=output)
    count = suite.counted_examples(output.text(lines=10))
    if code == 0 and count is not None:
        run.report.example_count(count)
    else:
        run.say(f"The examples could not be counted: the dry run ended with exit code {code}")


def _exit_code(run: Run, image: Image, chosen: suite.Suite, output: Path) -> int:
    """Runs the tests, if there are any for this shard. A run that is cut short leaves its trailer
    but no results: what it had by then is no verdict."""
    seed = run.order.seed
    if chosen.files == ():
        return _nothing_to_do(run, output)
    if chosen.argv is None:
        problem = suite.why_nothing_runs(chosen)
        run.logs.tests.line(problem)
        results.write_empty(output, seed=seed, error=problem)
        return COMMAND_NOT_FOUND
    named = suite.test_variables(output, chosen.files, run.space.root / "test-files.txt")
    env = {**run.task_env(image), **named}
    run.say(f"Running the tests: {suite.listed(chosen.files)}")
    try:
        return run.runner.run(chosen.argv, cwd=image.root, env=env, sink=run.logs.tests.write)
    except Interrupted as interruption:
        if interruption.exit_code is not None:
            _write_trailer(run, interruption.exit_code)
        raise


def _nothing_to_do(run: Run, output: Path) -> int:
    detail = suite.why_empty(run.order)
    run.logs.tests.line(f"Nothing to run: {detail}")
    run.report.event("shard_empty", detail)
    results.write_empty(output, seed=run.order.seed)
    return 0


def _write_trailer(run: Run, code: int) -> None:
    """The line by which `script` ends a log; the control plane reads the exit code from it."""
    now = datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
    run.logs.tests.end_line()
    run.logs.tests.line("")
    run.logs.tests.line(f'Script done on {now} [COMMAND_EXIT_CODE="{code}"]')


def _send_results(run: Run, image: Image, output: Path) -> None:
    if results.can_be_sent(output, run.say):
        run.report.results(output)
    for path in results.screenshots(image.root):
        if results.can_be_sent(path, run.say):
            run.report.screenshot(path)
