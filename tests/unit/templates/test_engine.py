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
        ("{% for x in data.prices %}x{% endfor %}", "`data.prices` is undefined"),
        ("{{ data.price|upper }}", "`data.price` is undefined"),
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
    assert render("{% if data.price %}x{% else %}y{% endif %}").text == "y"
    assert render("{{ data.price or 'free' }}").text == "free"


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
    with pytest.raises(TemplateError, match=r"^welcome/email\.de\.txt: there is no method nope"):
        render("{{ data.nope() }}")


METHODS = ["items", "keys", "values", "get", "pop", "update", "copy", "append", "count", "index"]


@pytest.mark.parametrize("name", METHODS)
def test_a_key_named_like_a_method_of_python_is_a_key_like_any_other(name: str) -> None:
    there, missing = {"it": {name: "x"}, "list": []}, {"it": {"a": 1}, "list": []}

    assert render(f"{{{{ data.it.{name} ~ data.it['{name}'] }}}}", data=there).text == "xx"
    assert render(f"{{{{ data.it.{name} is defined }}}}", data=there).text == "true"
    for wrong in (f"data.it.{name}", f"data.it['{name}']", f"data.list.{name}"):
        assert render(f"{{{{ {wrong} is defined }}}}", data=missing).text == "false"
        assert render(f"{{{{ {wrong}|default('-') }}}}", data=missing).text == "-"
        with pytest.raises(TemplateError, match=r"line 1: `data\..*` is undefined") as error:
            render(f"{{{{ {wrong} }}}}", data=missing)
        assert f"`{wrong}` is undefined" in str(error.value)


def test_a_key_that_was_missing_once_can_be_asked_for_again() -> None:
    asked = "{{ data.items is defined }}{{ data.items is defined }}{{ data|length }}"

    assert render(asked, data={"a": 1}).text == "falsefalse1"


@pytest.mark.parametrize("name", sorted({*METHODS, "clear", "setdefault", "sort"} - {"items"}))
@pytest.mark.parametrize("holder", ["data", "data.list"])
def test_no_method_of_a_python_value_can_be_called(name: str, holder: str) -> None:
    data = {"list": [1]}

    with pytest.raises(TemplateError, match=f"there is no method {name}"):
        render(f"{{{{ {holder}.{name}('list') }}}}", data=data)

    assert data == {"list": [1]}


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{% for k in data %}{{ k }} {% endfor %}", "n list items "),
        ("{% for k, v in data|items %}{{ k }} {% endfor %}", "n list items "),
        ("{% for k, v in data.items() %}{{ k }} {% endfor %}", "n list items "),
        ("{% for x in data.list %}{{ loop.index }}/{{ loop.length }} {% endfor %}", "1/2 2/2 "),
        ("{{ data|length }}{{ data.list|length }}", "32"),
        ("{{ data.list[0].a }}{{ data.list[-1] }}{{ data['list'][0]['a'] }}", "121"),
        ("{{ data|tojson }}", '{"n": 7, "list": [{"a": 1}, 2], "items": {"b": true}}'),
        ("{{ data is mapping }}{{ data.list is sequence }}", "truetrue"),
        ("{{ data.items.b }}{{ true }}{{ false }}", "truetruefalse"),
        ("{{ data.list[1:]|join(',') }}{{ 2 in data.list }}", "2true"),
    ],
)
def test_objects_and_lists_work_as_in_any_template(source: str, text: str) -> None:
    data = {"n": 7, "list": [{"a": 1}, 2], "items": {"b": True}}

    assert render(source, data=data).text == text


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ("data.none", "x"),
        ("data.in.none", "x"),
        ("data.list[1]", "x"),
        ("data.list[0].none", "x"),
        ("user.locale", "x"),
    ],
)
def test_what_is_null_is_not_there(place: str, text: str) -> None:
    data = {"none": None, "in": {"none": None}, "list": [{"none": None}, None]}

    assert render(f"{{{{ {place}|default('x') }}}}", data=data).text == text
    assert render(f"{{% if {place} %}}y{{% else %}}x{{% endif %}}", data=data).text == text
    with pytest.raises(TemplateError, match="is undefined"):
        render(f"{{{{ {place} }}}}", data=data)


@pytest.mark.parametrize(
    "source",
    ["{% for x in data.list %}{{ x }}{% endfor %}", "{{ data.list|first }}", "{{ none }}"],
)
def test_a_null_is_never_printed(source: str) -> None:
    with pytest.raises(TemplateError, match=r"^welcome/email\.de\.txt"):
        render(source, data={"list": [None, 1]})


def test_a_template_can_not_change_what_the_next_rendering_sees() -> None:
    data = {"list": [1]}

    with pytest.raises(TemplateError):
        render("{{ data.list.append(2) }}{{ data.clear() }}{{ data.x }}", data=data)

    assert data == {"list": [1]}
