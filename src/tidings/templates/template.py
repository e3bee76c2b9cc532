"""A template: its parts, what it must have, and the version that its content makes."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from tidings.core.errors import ConfigurationError
from tidings.templates.names import HTML, SUBJECT, TEXT, file_name

Name = tuple[str, str, str]
"""Key, channel and locale: one template of each name is published at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """What one workflow step says on one channel in one language."""

    key: str
    channel: str
    #: "" for the default
    locale: str
    #: text · html · subject → source
    parts: Mapping[str, str]

    @property
    def version(self) -> str:
        """A hash of all there is to it: the same content, the same version."""
        whole = [self.key, self.channel, self.locale, dict(self.parts)]
        content = orjson.dumps(whole, option=orjson.OPT_SORT_KEYS)
        return hashlib.blake2b(content, digest_size=16).hexdigest()

    @property
    def name(self) -> Name:
        """Whose place it takes when it is published."""
        return self.key, self.channel, self.locale

    def file_of(self, part: str) -> str:
        """The name of a part's file below the templates folder."""
        return file_name(self.key, self.channel, self.locale, part)


def check_whole(template: Template) -> Template:
    """The template, if no part is missing. Raises ConfigurationError naming the file to add."""
    missing = missing_parts(template)
    if missing:
        names = " and ".join(sorted(template.file_of(part) for part in missing))
        there = template.file_of(sorted(template.parts, key=(TEXT, HTML, SUBJECT).index)[0])
        raise ConfigurationError(f"templates: {there} is not enough, add {names}")
    return template


def missing_parts(template: Template) -> set[str]:
    """The parts it can't do without on its channel, and does not have."""
    return _needed(template.channel) - template.parts.keys()


def files_of(key: str, channel: str) -> list[str]:
    """The files below the templates folder that make a template, at the least."""
    return sorted(file_name(key, channel, "", part) for part in _needed(channel))


def _needed(channel: str) -> set[str]:
    return {TEXT, SUBJECT} if channel == "email" else {TEXT}
