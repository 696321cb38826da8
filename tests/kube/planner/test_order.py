"""The services that the main one needs start before it, in an order in which each has what it
needs; the others are not started."""

from tests.kube.making import make_plan, problems_of, with_main


def started(main_keys: str, services: str) -> list[str]:
    return [service.name for service in make_plan(with_main(main_keys, services)).services]


def test_needed_ones_start_first_and_in_the_files_order() -> None:
    services = (
        "  c: {image: c, depends_on: [a]}\n  b: {image: b}\n  a: {image: a, depends_on: [b]}\n"
        "  d: {image: d}\n"
    )
    assert started("depends_on: [d, c]", services) == ["d", "b", "a", "c"]


def test_links_are_needs_too() -> None:
    assert started("links: ['a:alias']", "  a: {image: a, links: [b]}\n  b: {image: b}\n") == [
        "b",
        "a",
    ]


def test_others_are_left_out_with_a_note() -> None:
    compose = with_main("{}", "  a: {image: a, privileged: true}\n").replace("    {}\n", "")
    (note,) = make_plan(compose).notes
    assert str(note) == "service a, services: is not started: saturn_test_app does not need it"


def test_one_that_others_wait_for_to_end_is_told_from_a_server() -> None:
    keys = "depends_on: {m: {condition: service_completed_successfully}, db: }"
    services = "  m: {image: m, depends_on: [db], healthcheck: {test: x}}\n  db: {image: d}\n"
    plan = make_plan(with_main(keys, services))
    assert [(item.name, item.completes) for item in plan.services] == [("db", False), ("m", True)]
    assert plan.services[1].probe is None


def test_what_is_not_required_may_be_missing() -> None:
    keys = "depends_on: {a: {condition: service_started, required: false}}"
    assert started(keys, "") == []
    assert started(keys, "  a: {image: a}\n") == ["a"]


def test_needs_that_cannot_be_met_are_told() -> None:
    (problem,) = problems_of(with_main("depends_on: [ghost]"))
    assert "there is no service `ghost`" in problem
    (problem,) = problems_of(
        with_main("depends_on: {a: {condition: service_ready}}", "  a: {image: a}\n")
    )
    assert "depends_on.a.condition: `service_ready` is no condition" in problem
    (problem,) = problems_of(with_main("depends_on: [a]", "  a: [x]\n"))[:1]
    assert problem == "service a, services: is no mapping; give it an `image`"


def test_a_circle_is_told_with_all_that_are_in_it() -> None:
    services = "  a: {image: a, depends_on: [b]}\n  b: {image: b, depends_on: [a]}\n"
    (problem,) = problems_of(with_main("depends_on: [a]", services))
    assert "wait for each other: a → b → a" in problem
    (problem,) = problems_of(with_main("depends_on: [saturn_test_app]"))
    assert "saturn_test_app → saturn_test_app" in problem


def test_there_is_an_end_to_services() -> None:
    chain = "".join(f"  s{n}: {{image: x, depends_on: [s{n + 1}]}}\n" for n in range(5000))
    (problem,) = problems_of(with_main("depends_on: [s0]", chain + "  s5000: {image: x}\n"))
    assert "more than 30 services are needed" in problem
