"""Compiles and renders templates by minijinja: strict, HTML escaped, bounded by fuel.

What is not there may be asked for by `if`, and is an error everywhere else.

Fuel bounds time, not memory: who writes a template can make it eat memory. Templates come from
the operator, in a folder or over HTTP: they are trusted as much as the rest of the configuration.
"""

import re
from collections.abc import Mapping
from typing import Any

import minijinja

from tidings.core.errors import TemplateError
from tidings.core.models import Content
from tidings.templates.context import NAMES, plain
from tidings.templates.names import HTML, SUBJECT, TEXT
from tidings.templates.template import Template

#: instructions one part may take, about 3 ms
FUEL = 100_000

#: minijinja's stubs do not know this one
_SEMI_STRICT: Any = "semi_strict"

_LINE_ENDS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")

#: what the engine itself gives to every template
_GIVEN = frozenset({"self", "super", "loop", "caller"})


class Compiled:
    """A template ready to be rendered any number of times.

    Raises TemplateError naming the file and line of what can't be parsed, or can't ever be known.
    """

    def __init__(self, template: Template) -> None:
        self._files = {part: template.file_of(part) for part in template.parts}
        self._environment = _environment()
        for part, source in template.parts.items():
            self._add(self._files[part], source)

    def render(self, context: Mapping[str, Any]) -> Content:
        """The words for one person. Raises TemplateError naming the file and line."""
        values = plain(context)
        return Content(
            text=self._part(TEXT, values) or "",
            subject=_one_line(self._part(SUBJECT, values)),
            html=self._part(HTML, values),
        )

    def _part(self, part: str, values: Mapping[str, Any]) -> str | None:
        file = self._files.get(part)
        if file is None:
            return None
        try:
            return self._environment.render_template(file, **values)
        except minijinja.TemplateError as error:
            raise _error(file, error) from None
        except Exception as error:
            # what a method of a Python value raises comes through as it is
            raise TemplateError(f"{file}: {error}") from None

    def _add(self, file: str, source: str) -> None:
        try:
            self._environment.add_template(file, source)
        except minijinja.TemplateError as error:
            raise _error(file, error) from None
        self._refuse_unknown_names(file, source)

    def _refuse_unknown_names(self, file: str, source: str) -> None:
        used = self._environment.undeclared_variables_in_template(file)
        unknown = sorted(used - NAMES - _GIVEN - self._environment.globals.keys())
        if unknown:
            line = _line_of(unknown[0], source)
            known = ", ".join(sorted(NAMES))
            raise TemplateError(f"{file}, line {line}: {unknown[0]} is unknown, there are {known}")


def _environment() -> minijinja.Environment:
    return minijinja.Environment(
        undefined_behavior=_SEMI_STRICT,
        finalizer=_printed,
        auto_escape_callback=lambda name: name.endswith(".html"),
        fuel=FUEL,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _printed(value: object) -> object:
    if value is None:
        raise TemplateError("there is nothing to print, only a null")
    if isinstance(value, bool):
        return "true" if value else "false"
    return value


def _error(file: str, error: minijinja.TemplateError) -> TemplateError:
    name, line = error.name or file, error.line or 1
    return TemplateError(f"{name}, line {line}: {_reason(error)}")


def _reason(error: minijinja.TemplateError) -> str:
    if error.kind == "OutOfFuel":
        return f"takes more than {FUEL} steps, is there a loop too many?"
    return error.detail or error.message


def _line_of(name: str, source: str) -> int:
    found = re.search(rf"\b{re.escape(name)}\b", source)
    return source.count("\n", 0, found.start() if found else 0) + 1


def _one_line(subject: str | None) -> str | None:
    return None if subject is None else _LINE_ENDS.sub(" ", subject).strip()
