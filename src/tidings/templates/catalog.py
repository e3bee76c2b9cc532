"""The published templates at one moment, and which of them suits a person."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tidings.core.locales import fallbacks


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateVersion:
    """One published template: what a delivery pins."""

    version: str
    key: str
    channel: str
    #: "" for the default
    locale: str


class TemplateCatalog:
    """All published templates, as they stood when the catalog was read."""

    def __init__(self, published: tuple[TemplateVersion, ...]) -> None:
        self._by_name: Mapping[tuple[str, str, str], TemplateVersion] = {
            (entry.key, entry.channel, entry.locale.lower()): entry for entry in published
        }

    def resolve(self, key: str, channel: str, locale: str | None) -> TemplateVersion | None:
        """The template in the person's language, else its parent language, else the default."""
        candidates = (self._by_name.get((key, channel, tag)) for tag in fallbacks(locale))
        return next((entry for entry in candidates if entry is not None), None)

    def has(self, key: str, channel: str) -> bool:
        """Whether there is such a template in any language."""
        return any(name[:2] == (key, channel) for name in self._by_name)

    def __iter__(self) -> Iterator[TemplateVersion]:
        """Every published template, by key, channel and locale."""
        return iter(self._by_name[name] for name in sorted(self._by_name))
