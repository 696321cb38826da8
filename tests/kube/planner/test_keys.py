"""Every key of a compose file is read, noted as left aside, or refused."""

import pytest

from kube.planner import keys
from tests.kube.making import make_plan, problems_of, service_problem, with_main, with_service

# Compose's own schema: all keys that a service may have.
SCHEMA = """
annotations attach blkio_config build cap_add cap_drop cgroup cgroup_parent command configs
container_name cpu_count cpu_percent cpu_period cpu_quota cpu_rt_period cpu_rt_runtime cpu_shares
cpus cpuset credential_spec depends_on deploy develop device_cgroup_rules devices dns dns_opt
dns_search domainname entrypoint env_file environment expose extends external_links extra_hosts gpus
group_add healthcheck hostname image init ipc isolation label_file labels links logging mac_address
mem_limit mem_reservation mem_swappiness memswap_limit models network_mode networks oom_kill_disable
oom_score_adj pid pids_limit platform ports post_start pre_start pre_stop privileged profiles
provider pull_policy pull_refresh_after read_only restart runtime scale secrets security_opt
shm_size stdin_open stop_grace_period stop_signal storage_opt sysctls tmpfs tty ulimits
use_api_socket user userns_mode uts volumes volumes_from working_dir
"""
REFUSED = """
cap_add cgroup cgroup_parent configs credential_spec device_cgroup_rules devices dns dns_opt
dns_search extends external_links gpus group_add ipc isolation mac_address models network_mode pid
post_start pre_start pre_stop privileged provider runtime secrets security_opt sysctls
use_api_socket userns_mode uts volumes_from
"""


def test_every_key_of_the_schema_is_known() -> None:
    known = keys.SERVICE
    assert set(SCHEMA.split()) == set(known.read) | set(known.ignored) | set(known.refused)


def test_no_key_is_known_in_two_ways() -> None:
    for kind in (keys.SERVICE, keys.TOP, keys.BUILD, keys.DEPLOY, keys.VOLUME, keys.NETWORK):
        known = [*kind.read, *kind.ignored, *kind.refused]
        assert len(known) == len(set(known))


@pytest.mark.parametrize("key", REFUSED.split())
def test_a_key_that_cannot_be_is_refused_with_a_remedy(key: str) -> None:
    problem = service_problem(f"{key}: [x]")
    place, message, remedy = problem.replace("; ", ": ", 1).split(": ", 2)
    assert place == f"service db, {key}" and message and remedy


@pytest.mark.parametrize("key", sorted(keys.IGNORED))
def test_a_key_without_effect_is_noted(key: str) -> None:
    notes = make_plan(with_service(f"{key}: x")).notes
    assert [str(note) for note in notes if note.key == key][0].startswith(
        f"service db, {key}: left"
    )


@pytest.mark.parametrize(
    "nothing", ["", "false", "no", "'off'", "[]", "{}", '""', "${X:-false}", "$X"]
)
def test_a_refused_key_that_says_no_is_as_good_as_absent(nothing: str) -> None:
    assert problems_of(with_service(f"privileged: {nothing}\nnetwork_mode: {nothing}")) == []


def test_a_refused_key_may_say_yes_by_a_default() -> None:
    assert "privileged" in service_problem("privileged: ${CI:-true}")


@pytest.mark.parametrize("key", ["restrat", "Image", "memlimit"])
def test_an_unknown_key_is_a_problem_that_suggests_another(key: str) -> None:
    assert "is no key that is known here; did you mean" in service_problem(f"{key}: x")


def test_what_begins_with_x_is_anybodys() -> None:
    compose = with_service("x-team: shop\nhealthcheck: {test: a, x-why: b}", "x-top: {a: 1}\n")
    assert problems_of(compose) == []


def test_a_null_service_key_says_nothing() -> None:
    assert problems_of(with_service("environment:\nvolumes:\nports:\ncommand:\nhealthcheck:")) == []


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("include: [a.yml]", "include: files are not put together"),
        ("servces: {}", "did you mean `services`?"),
    ],
)
def test_top_level_keys_are_checked_too(line: str, words: str) -> None:
    (problem,) = problems_of(with_main("{}", f"{line}\n").replace("    {}\n", ""))
    assert words in problem
