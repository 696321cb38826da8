"""Variables in a compose file stand for what compose puts there."""

from collections.abc import Mapping

import pytest

from kube.planner.template import BadTemplate, Missing, Template

SET = {"A": "a", "EMPTY": "", "B_2": "b"}


@pytest.mark.parametrize(
    ("text", "rendered"),
    [
        ("plain", "plain"),
        ("$A and ${A}", "a and a"),
        ("${B_2}x$B_2-x", "bxb-x"),
        ("$UNSET|${UNSET}|", "||"),
        ("${UNSET:-d} ${EMPTY:-d} ${A:-d}", "d d a"),
        ("${UNSET-d} ${EMPTY-d} ${A-d}", "d  a"),
        ("${UNSET:+x}|${EMPTY:+x}|${A:+x}", "||x"),
        ("${UNSET+x}|${EMPTY+x}|${A+x}", "|x|x"),
        ("${A:?needed} ${A?needed} ${EMPTY?needed}", "a a "),
        ("${UNSET:-}", ""),
        ("${UNSET:-${A}}", "a"),
        ("${UNSET:-${EMPTY:-${A}}}-x", "a-x"),
        ("${UNSET:-a:b-c?d}", "a:b-c?d"),
        ('${UNSET:-{"x": 1}}', '{"x": 1}'),
        ("$$A $${A} $$$A", "$A ${A} $a"),
        ("${UNSET:-$$A}", "$A"),
        ("5$ $1 $. $", "5$ $1 $. $"),
        ("a$", "a$"),
        ("}{", "}{"),
    ],
)
def test_every_form_is_rendered(text: str, rendered: str) -> None:
    assert Template.parse(text).render(SET) == rendered


@pytest.mark.parametrize(
    "text", ["${", "${}", "${A", "${1}", "${A B}", "${A/x/y}", "${A:x}", "${-x}", "${A${B}}"]
)
def test_what_compose_refuses_is_refused(text: str) -> None:
    with pytest.raises(BadTemplate):
        Template.parse(text)


@pytest.mark.parametrize(
    ("text", "variables"),
    [("${X:?say why}", {}), ("${X?say why}", {}), ("${X:?say why}", {"X": ""})],
)
def test_a_needed_variable_is_named_with_the_message(
    text: str, variables: Mapping[str, str]
) -> None:
    with pytest.raises(Missing, match="the variable X is not set: say why"):
        Template.parse(text).render(variables)


def test_nesting_is_bounded() -> None:
    with pytest.raises(BadTemplate, match="deep"):
        Template.parse("${A:-" * 500 + "x" + "}" * 500)


def test_it_knows_the_variables_it_depends_on() -> None:
    template = Template.parse("${A:-${B}} $C $$D")
    assert list(template.names()) == ["A", "B", "C"]
    assert template.depends_on({"B": ""}) and not template.depends_on({"D": ""})
    assert not template.fixed and Template.parse("$$D").fixed
