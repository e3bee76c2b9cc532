"""The Template Service: keeps every version, of folders and of what is put, and renders them."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tidings.core.clock import Clock
from tidings.core.errors import ConfigurationError, Conflict, NotFound, TemplateError
from tidings.core.logs import get_logger
from tidings.core.models import Content
from tidings.core.ports import Store
from tidings.templates import rows
from tidings.templates.catalog import TemplateCatalog, TemplateVersion
from tidings.templates.checks import checked_name, checked_template
from tidings.templates.engine import Compiled
from tidings.templates.folder import read_folder
from tidings.templates.names import HTML, SUBJECT, TEXT
from tidings.templates.rows import Origin, Standing
from tidings.templates.template import Name, Template

#: the templates that come with the program
BUILTIN = Path(__file__).parent / "builtin"

#: compiled versions a process keeps
CACHE_LIMIT = 512

NeededBy = Callable[[sa.Connection, str, str], Sequence[str]]
"""What can't do without the templates of a key on a channel, asked within a transaction."""

_log = get_logger("templates")


class TemplateService:
    """Keeps templates in versions by content; a version once stored never changes."""

    def __init__(self, store: Store, clock: Clock, *, needed_by: NeededBy | None = None) -> None:
        self._store = store
        self._clock = clock
        self._needed_by = needed_by
        self._compiled: OrderedDict[str, Compiled] = OrderedDict()
        self._compiling = asyncio.Lock()

    async def load(self, *folders: Path) -> None:
        """Publish the built-in templates, those put over HTTP, and those of the folders.

        Later ones win, a template of the same key, channel and locale is replaced as a whole, and
        what a folder had and has no more is withdrawn. Where nothing changed nothing is written.
        Raises ConfigurationError naming file and line.
        """
        built_in, own = await asyncio.to_thread(lambda: (_read((BUILTIN,)), _read(folders)))
        now = self._clock.now()
        changes = await self._store.run(
            lambda each: rows.load(each, built_in=built_in, own=own, now=now)
        )
        if changes.overruled:
            _log.warning(
                "templates put over HTTP gave way to those of the folder",
                templates=[_words(name) for name in changes.overruled],
            )

    async def put(
        self,
        key: str,
        channel: str,
        *,
        text: str,
        subject: str | None = None,
        html: str | None = None,
        locale: str | None = None,
    ) -> Template:
        """Publish a template in place of what its name had.

        It stays until a folder has one of its name at a start. Raises InvalidInput naming the part
        and the line at fault.
        """
        name = checked_name(key, channel, locale)
        parts = {TEXT: text, SUBJECT: subject, HTML: html}
        template = await asyncio.to_thread(checked_template, name, parts)

        def work(connection: sa.Connection) -> None:
            current = rows.lock_published(connection).get(name)
            if current is None or current.version != template.version:
                rows.publish(connection, [template], Origin.HTTP, self._clock.now())

        await self._store.run(work)
        return template

    async def get(self, key: str, channel: str, *, locale: str | None = None) -> Template:
        """The published template of exactly this locale, None for the default. Raises NotFound."""
        name = checked_name(key, channel, locale)
        return _found(name, await self._store.run(lambda each: rows.find_named(each, name)))

    async def list(
        self, *, limit: int = 100, after: Name | None = None
    ) -> Sequence[TemplateVersion]:
        """The published templates in the order of their names, from the first one after `after`."""
        return await self._store.run(
            lambda connection: rows.find_page(connection, limit=limit, after=after)
        )

    async def withdraw(self, key: str, channel: str, *, locale: str | None = None) -> Template:
        """Use what was put for nothing new; a built-in template of its name takes its place again.

        Raises NotFound, and Conflict for a template of a folder and for the last one that a
        published workflow needs.
        """
        name = checked_name(key, channel, locale)
        instead = await asyncio.to_thread(_built_in, name)

        def work(connection: sa.Connection) -> Template:
            current = rows.lock_published(connection)
            _require_put(name, current.get(name))
            alone = instead is None and not _others(name, current)
            if alone:
                self._require_unneeded(connection, name)
            withdrawn = _found(name, rows.find_named(connection, name))
            new = () if instead is None else (instead,)
            rows.publish(connection, new, Origin.FOLDER, self._clock.now(), gone=[name])
            return withdrawn

        return await self._store.run(work)

    async def catalog(self) -> TemplateCatalog:
        """The published templates as they stand."""
        return TemplateCatalog(tuple(await self._store.run(rows.find_published)))

    async def render(self, version: str, context: Mapping[str, Any]) -> Content:
        """The words of a version for one person. Raises TemplateError naming file and line."""
        compiled = self._compiled.get(version) or await self._compile(version)
        self._compiled.move_to_end(version)
        return compiled.render(context)

    def _require_unneeded(self, connection: sa.Connection, name: Name) -> None:
        key, channel, _locale = name
        needing = self._needed_by(connection, key, channel) if self._needed_by else ()
        if needing:
            raise Conflict(
                f"the template {_words(name)} is the last one that {', '.join(needing)} can send: "
                "change that workflow first, or put another template"
            )

    async def _compile(self, version: str) -> Compiled:
        async with self._compiling:
            if version in self._compiled:
                return self._compiled[version]
            compiled = Compiled(await self._stored(version))
            self._compiled[version] = compiled
            if len(self._compiled) > CACHE_LIMIT:
                self._compiled.popitem(last=False)
            return compiled

    async def _stored(self, version: str) -> Template:
        template = await self._store.run(lambda connection: rows.find_version(connection, version))
        if template is None:
            raise TemplateError(f"template version {version} isn't stored")
        return template


def _require_put(name: Name, standing: Standing | None) -> None:
    if standing is None:
        raise _unknown(name)
    if standing.origin is not Origin.HTTP:
        raise Conflict(
            f"the template {_words(name)} comes from a folder: remove its files there, or put "
            "another in its place"
        )


def _others(name: Name, published: Iterable[Name]) -> bool:
    """Whether there is one in another language."""
    return any(each[:2] == name[:2] and each != name for each in published)


def _found(name: Name, template: Template | None) -> Template:
    if template is None:
        raise _unknown(name)
    return template


def _unknown(name: Name) -> NotFound:
    return NotFound(f"there is no template {_words(name)}", field="key")


def _words(name: Name) -> str:
    """`order-shipped/email/de`, or without the locale."""
    return "/".join(filter(None, name))


def _built_in(name: Name) -> Template | None:
    return next((template for template in _read((BUILTIN,)) if template.name == name), None)


def _read(folders: Sequence[Path]) -> Sequence[Template]:
    """Blocks on files."""
    templates: dict[Name, Template] = {}
    for folder in folders:
        for template in read_folder(folder):
            _require_parsing(folder, template)
            templates[template.name] = template
    return tuple(templates.values())


def _require_parsing(folder: Path, template: Template) -> None:
    try:
        Compiled(template)
    except TemplateError as error:
        raise ConfigurationError(f"{folder}/{error}") from None
