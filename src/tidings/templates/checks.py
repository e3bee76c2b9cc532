"""The rules for a template that is put: the same that hold for one in a folder. Pure."""

from collections.abc import Mapping
from dataclasses import replace

from tidings.core.errors import InvalidInput, TemplateError
from tidings.core.locales import normalise_locale
from tidings.core.names import is_channel, is_key
from tidings.templates.engine import Compiled
from tidings.templates.folder import FILE_LIMIT
from tidings.templates.template import Name, Template, missing_parts


def checked_name(key: str, channel: str, locale: str | None) -> Name:
    """The name, its locale in normal form; None is the default. Raises InvalidInput."""
    if not is_key(key):
        raise _refusal("key", "must be 1 to 100 of a-z, 0-9 and -")
    if not is_channel(channel):
        raise _refusal("channel", "must be a channel such as email")
    return key, channel, "" if locale is None else normalise_locale(locale)


def checked_template(name: Name, parts: Mapping[str, str | None]) -> Template:
    """A template with these parts, which can be rendered.

    Raises InvalidInput naming the part at fault, with the line where there is one.
    """
    key, channel, locale = name
    given = {part: source for part, source in parts.items() if source is not None}
    sources = {part: _checked_source(part, source) for part, source in given.items()}
    template = Template(key=key, channel=channel, locale=locale, parts=sources)
    for part in sorted(missing_parts(template)):
        raise _refusal(part, f"a template for {channel} needs one")
    for part in sources:
        _require_parsing(part, template)
    return template


def _checked_source(part: str, source: str) -> str:
    try:
        size = len(source.encode())
    except UnicodeEncodeError:
        raise _refusal(part, "holds half of a surrogate pair") from None
    if size > FILE_LIMIT:
        raise _refusal(part, f"has more than {FILE_LIMIT} bytes")
    if "\0" in source:
        raise _refusal(part, "has a NUL character in it")
    return _as_in_a_file(source)


def _as_in_a_file(source: str) -> str:
    """Line ends and byte order mark make no other version, as when a file is read."""
    return source.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def _require_parsing(part: str, template: Template) -> None:
    """Each part by itself, so that the one at fault is known."""
    try:
        Compiled(replace(template, parts={part: template.parts[part]}))
    except TemplateError as error:
        raise _refusal(part, str(error)) from None


def _refusal(field: str, reason: str) -> InvalidInput:
    return InvalidInput(f"{field}: {reason}", field=field)
