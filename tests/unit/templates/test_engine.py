"""Rendering: strict, escaped, bounded, and errors that name file and line."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.core.errors import TemplateError
from tidings.core.models import Content
from tidings.templates.engine import Compiled
from tidings.templates.template import Template

USER: Mapping[str, Any] = {"id": "ann", "name": "Ann", "locale": None}


def compiled(text: str = "text", **parts: str) -> Compiled:
    whole = {"text": text, **parts}
    return Compiled(Template(key="welcome", channel="email", locale="de", parts=whole))


def render(text: str = "text", *, data: object = None, **parts: str) -> Content:
    return compiled(text, **parts).render({"user": USER, "event": {}, "data": data or {}})


def test_each_part_is_rendered() -> None:
    content = render(
        "Hi {{ user.name }}", subject="No. {{ data.n }}", html="<p>{{ data.n }}</p>", data={"n": 7}
    )

    assert content == Content(text="Hi Ann", subject="No. 7", html="<p>7</p>")


def test_a_part_that_is_not_there_is_none() -> None:
    assert render("Hi") == Content(text="Hi", subject=None, html=None)


def test_only_html_is_escaped() -> None:
    content = render(
        "{{ data.x }}", subject="{{ data.x }}", html="{{ data.x }}", data={"x": "<b>\"&'"}
    )

    assert content.text == content.subject == "<b>\"&'"
    assert content.html == "&lt;b&gt;&quot;&amp;&#x27;"


@given(st.text())
def test_no_data_can_open_a_tag(text: str) -> None:
    html = render(html="{{ data.x }}", data={"x": text}).html

    assert not set("<>\"'") & set(html or "")


@given(st.text())
def test_a_subject_is_one_line(text: str) -> None:
    subject = render(subject="{{ data.x }}", data={"x": f"a{text}b"}).subject

    assert len((subject or "").splitlines()) == 1
    assert "\0" not in (subject or "")


def test_line_ends_in_a_subject_become_spaces() -> None:
    assert render(subject="a\r\n{{ data.x }}\n", data={"x": "b\u2028c"}).subject == "a b c"


def test_lines_of_tags_alone_leave_no_blank_lines() -> None:
    text = "{% if user.name %}\n  Hi\n  {% endif %}\nBye\n"

    assert render(text).text == "  Hi\nBye"


@pytest.mark.parametrize("part", ["text", "subject", "html"])
@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ("{{ user.name }", "unexpected `}`"),
        ("{% if %}", "unexpected end of block"),
        ("{% for x in data.items %}", "unexpected end of input"),
        ("{{ usr.name }}", "usr is unknown, there are data, event, user"),
    ],
)
def test_what_can_not_be_compiled_is_told_with_file_and_line(
    part: str, wrong: str, reason: str
) -> None:
    ending = {"text": "txt", "subject": "subject.txt", "html": "html"}[part]

    with pytest.raises(TemplateError) as error:
        compiled(**{part: f"first\n{wrong}"})

    assert str(error.value).startswith(f"welcome/email.de.{ending}, line 2: {reason}")


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ("{{ data.price }}", "`data.price` is undefined"),
        ("{{ user.email }}", "`user.email` is undefined"),
        ("{% if data.price %}x{% endif %}", "`data.price` is undefined"),
        ("{{ user.name|shout }}", "filter shout is unknown"),
        ("{% include 'other/email.txt' %}", "tried to include non-existing"),
    ],
)
def test_what_can_not_be_rendered_is_told_with_file_and_line(wrong: str, reason: str) -> None:
    with pytest.raises(TemplateError) as error:
        render(f"first\n{wrong}")

    assert str(error.value).startswith(f"welcome/email.de.txt, line 2: {reason}")


def test_what_may_be_missing_can_be_asked_for() -> None:
    assert render("{{ data.price|default('free') }}").text == "free"
    assert render("{% if data.price is defined %}x{% else %}y{% endif %}").text == "y"


def test_a_loop_without_end_runs_out_of_fuel() -> None:
    endless = "{% for a in range(9999) %}{% for b in range(9999) %}{{ b }}{% endfor %}{% endfor %}"

    with pytest.raises(TemplateError, match=r"welcome/email\.de\.html, line 1: takes more than"):
        render(html=endless)


def test_fuel_is_filled_up_for_each_rendering() -> None:
    template = compiled("{% for a in range(5000) %}{{ a }}{% endfor %}")

    lengths = {len(template.render({}).text) for _ in range(20)}

    assert len(lengths) == 1


@pytest.mark.parametrize(
    "escape",
    [
        "{{ user.__class__ }}",
        "{{ data.__class__.__mro__ }}",
        "{{ ''.__class__ }}",
        "{{ user|attr('__class__') }}",
        "{{ data.get.__globals__ }}",
        "{{ data.text.format.__self__ }}",
    ],
)
def test_python_is_out_of_reach(escape: str) -> None:
    with pytest.raises(TemplateError):
        render(escape, data={"text": "x"})


def test_a_failing_method_is_a_template_error_that_names_the_file() -> None:
    with pytest.raises(TemplateError, match=r"^welcome/email\.de\.txt: .*no attribute 'nope'"):
        render("{{ data.nope() }}")


def test_a_template_can_not_change_what_the_next_rendering_sees() -> None:
    data = {"list": [1]}

    with pytest.raises(TemplateError):
        render("{{ data.list.append(2) }}{{ data.clear() }}{{ data.x }}", data=data)

    assert data == {"list": [1]}
