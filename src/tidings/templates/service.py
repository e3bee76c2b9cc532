"""The Template Service: loads folders of templates, keeps every version, renders them."""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tidings.core.clock import Clock
from tidings.core.errors import ConfigurationError, TemplateError
from tidings.core.models import Content
from tidings.core.ports import Store
from tidings.store import definitions
from tidings.templates import rows
from tidings.templates.catalog import TemplateCatalog
from tidings.templates.engine import Compiled
from tidings.templates.folder import read_folder
from tidings.templates.template import Template

#: the templates that come with the program
BUILTIN = Path(__file__).parent / "builtin"

#: compiled versions a process keeps
CACHE_LIMIT = 512


class TemplateService:
    """Keeps templates in versions by content; a version once stored never changes."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._compiled: OrderedDict[str, Compiled] = OrderedDict()
        self._compiling = asyncio.Lock()

    async def load(self, *folders: Path) -> None:
        """Publish the built-in templates with those of the folders over them, and nothing else.

        A later folder replaces a template of the same key, channel and locale as a whole. Where
        nothing changed nothing is written. Raises ConfigurationError naming file and line.
        """
        wanted = await asyncio.to_thread(_read, (BUILTIN, *folders))

        def work(connection: sa.Connection) -> None:
            rows.lock_definitions(connection)
            published = {entry.version for entry in rows.find_published(connection)}
            if published == wanted.keys():
                return
            rows.archive(connection, published - wanted.keys())
            new = {version: wanted[version] for version in wanted.keys() - published}
            rows.publish(connection, new, self._clock.now())
            definitions.bump(connection)

        await self._store.run(work)

    async def catalog(self) -> TemplateCatalog:
        """The published templates as they stand."""
        return TemplateCatalog(tuple(await self._store.run(rows.find_published)))

    async def render(self, version: str, context: Mapping[str, Any]) -> Content:
        """The words of a version for one person. Raises TemplateError naming file and line."""
        compiled = self._compiled.get(version) or await self._compile(version)
        self._compiled.move_to_end(version)
        return compiled.render(context)

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
        template = await self._store.run(lambda connection: rows.find_template(connection, version))
        if template is None:
            raise TemplateError(f"template version {version} isn't stored")
        return template


def _read(folders: Sequence[Path]) -> dict[str, Template]:
    """Blocks on files."""
    templates: dict[tuple[str, str, str], Template] = {}
    for folder in folders:
        for template in read_folder(folder):
            _require_parsing(folder, template)
            templates[template.key, template.channel, template.locale] = template
    return {template.version: template for template in templates.values()}


def _require_parsing(folder: Path, template: Template) -> None:
    try:
        Compiled(template)
    except TemplateError as error:
        raise ConfigurationError(f"{folder}/{error}") from None
