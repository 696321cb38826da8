"""The course of a run in a pod: others clone, build and run; the agent says when, and reports."""

from __future__ import annotations

from .. import results, suite
from ..errors import (
    BuildFailed,
    CloneFailed,
    OutOfMemory,
    PreScriptFailed,
    StepFailed,
    Unreachable,
)
from ..suite import Suite
from . import collecting, env_files, image, looking, scripts
from .files import number
from .image import ImageConfig
from .job import Job
from .scripts import Surroundings
from .watch import Follower

PAUSES_BETWEEN_TRIES = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0)
# What the builder's last line says where the Dockerfile is at fault; kube/causes.py reads the
# others. Out of memory is told by the cluster.
OF_THE_DOCKERFILE = (
    "failed to execute command",
    "parsing dockerfile",
    "failed to get fileinfo",
    "failed to get files used from context",
    "target build stage",
    "could not parse reference",
    "failed to process",
)
# A step was killed, it may be for its memory: whether it was, the cluster knows.
KILLED = ("signal: killed", "exit status 137")
TERMINATED = 143


class LeftToOthers(Exception):
    """How this ended is better told by the cluster: there is no final report."""


def carry_out(job: Job) -> None:
    """Raises StepFailed, Stopped, TimedOut or LeftToOthers; a test suite that fails is a result,
    no error."""
    await_clone(job)
    if job.settings.builds:
        await_build(job)
    await_services(job)
    found = read_image(job)
    surroundings = surroundings_of(job, found)
    run_pre_script(job, surroundings)
    run_tests(job, surroundings)


def await_clone(job: Job) -> None:
    job.say(f"Cloning {job.order.repository or job.order.clone_url} at {job.order.commit}")
    steps = job.settings.steps
    follower = Follower(steps, "clone.log", job.logs.system)
    if code := end_of(job, "clone", follower):
        said = collecting.last_lines(steps, "clone.log") or f"exit code {code}"
        raise CloneFailed(f"The clone failed: {said}")
    job.report.event("cloned")


def await_build(job: Job) -> None:
    steps = job.settings.steps
    follower = Follower(steps, "build.log", job.logs.build)
    job.watch.wait_for_init(lambda: follower.begun)
    job.say("The build has begun")
    job.report.event("build_started")
    if code := end_of(job, "build", follower):
        raise _build_end(job, code)
    job.image_digest = collecting.last_lines(steps, "digest", lines=1)
    job.say("The image is built")
    job.report.event("build_finished", job.image_digest)


def end_of(job: Job, container: str, follower: Follower) -> int:
    """The exit code of clone or build. Raises Stopped where it was made to end, as we are."""
    steps, name = job.settings.steps, f"{container}.rc"
    job.watch.wait_for_init(lambda: number(steps, name) is not None, follower)
    follower.end()
    code = number(steps, name) or 0
    if code == TERMINATED:
        job.watch.check()
    return code


def _build_end(job: Job, code: int) -> Exception:
    last = collecting.last_lines(job.settings.steps, "build.log", lines=1)
    killed = any(sign in last for sign in KILLED)
    if any(sign in last.lower() for sign in OF_THE_DOCKERFILE) and not killed:
        return BuildFailed(f"A step of the Dockerfile failed: {last}")
    job.say(f"The builder ended with exit code {code}")
    job.tell("build_ended", last)
    return LeftToOthers()


def await_services(job: Job) -> None:
    """The container of the tests starts when all the others are up."""
    job.watch.wait_for(lambda: job.out.ready)
    job.say("The services are up")
    job.report.event("services_ready")


def read_image(job: Job) -> ImageConfig:
    """Nothing where no image is named. It was just pulled, so trouble will pass."""
    if job.settings.registry is None:
        return ImageConfig()
    for pause in (*PAUSES_BETWEEN_TRIES, None):
        try:
            found = image.read_config(job.settings.registry)
            break
        except Unreachable as trouble:
            if pause is None:
                raise StepFailed(str(trouble)) from trouble
            job.watch.sleep(pause)
    job.image_digest = job.image_digest or found.digest
    return found


def surroundings_of(job: Job, found: ImageConfig) -> Surroundings:
    """A shell drops variables that it cannot name, so those of the Task are given once more."""
    planned, task = job.plan.entrypoint, job.settings.secrets
    dropped = {name: text for name, text in task.items() if not scripts.fits(name)}
    from_files = env_files.read_env_files(job.plan, job.settings.checkout, task)
    return Surroundings(
        entrypoint=found.entrypoint if planned is None else planned,
        variables={**dropped, **from_files, **suite.variables(job.order)},
    )


def run_pre_script(job: Job, surroundings: Surroundings) -> None:
    path = job.order.paths.pre_script
    job.report.event("pre_script_started")
    code = job.run(scripts.pre_script(surroundings, path), "system")
    if code:
        _blame_memory(job, path)
        raise PreScriptFailed(f"{path} failed with exit code {code}: {job.last_lines()}")
    job.report.event("pre_script_finished")


def run_tests(job: Job, surroundings: Surroundings) -> None:
    seen = looking.look(job, surroundings)
    chosen = suite.decide(job.order, seen, scripts.RESULTS_PLACE)
    if chosen.uses_rspec and seen.rspec:
        count_examples(job, scripts.dry_run(surroundings, (*seen.rspec, "--dry-run")))
    job.report.event("tests_started")
    if chosen.files == ():
        _write_empty(job)
    elif chosen.argv is None:
        _write_empty(job, problem=suite.why_nothing_runs(chosen))
    else:
        _run_suite(job, surroundings, chosen, chosen.argv)


def count_examples(job: Job, dry_run: str) -> None:
    """Tells how many examples the whole suite has, where RSpec can say so without running it."""
    code = job.run(dry_run, "system")
    count = suite.counted_examples(job.last_lines(10))
    if code == 0 and count is not None:
        job.report.count("dry_run_examples", count)
        job.report.event("examples_counted", str(count))
    else:
        job.say(f"The examples could not be counted: the dry run ended with exit code {code}")


def _write_empty(job: Job, problem: str = "") -> None:
    """Nothing is run, and the results say why: no file for this shard, or a `problem`."""
    reason = suite.why_empty(job.order)
    job.logs.tests.line(problem or f"Nothing to run: {reason}")
    if not problem:
        job.report.event("shard_empty", reason)
    job.exit_code = COMMAND_NOT_FOUND if problem else 0
    file = job.settings.work / "rspec.json"
    results.write_empty(file, seed=job.order.seed, error=problem)
    job.report.event("tests_finished")
    job.report.deliver_logs()
    job.report.results(file, file.name)


COMMAND_NOT_FOUND = 127


def _run_suite(job: Job, surroundings: Surroundings, chosen: Suite, argv: tuple[str, ...]) -> None:
    around, listed = surroundings, chosen.files is not None
    if chosen.files is not None:
        job.control.test_files(suite.list_text(chosen.files))
        around = surroundings.plus(suite.list_variable(chosen.files))
    job.say(f"Running the tests: {suite.listed(chosen.files)}")
    job.exit_code = job.run(scripts.tests(around, argv, list_file=listed), "test")
    job.report.event("tests_finished")
    job.report.deliver_logs()
    collecting.send_results(job)
    if job.exit_code:
        _blame_memory(job, "The tests")


def _blame_memory(job: Job, what: str) -> None:
    if job.out.ran_out_of_memory(job.step):
        raise OutOfMemory(f"{what} used more memory than they may: something was killed for it")
