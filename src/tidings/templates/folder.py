"""Reads a folder of template files: `<folder>/<key>/<channel>[.<locale>][.subject].txt|html`."""

from collections.abc import Iterator
from pathlib import Path

from tidings.core.errors import ConfigurationError, InvalidInput
from tidings.core.names import is_key
from tidings.templates.names import PartName, parse_file_name
from tidings.templates.template import Template, check_whole

#: bytes one file may have
FILE_LIMIT = 1024 * 1024

#: what ends so is somebody's notes or an editor's copy
_IGNORED = (".md", "~", ".swp", ".bak", ".orig")


def read_folder(folder: Path) -> list[Template]:
    """All templates of a folder, each with every part it needs.

    Blocks on files. Raises ConfigurationError naming the file and what to do about it.
    """
    if not folder.is_dir():
        raise ConfigurationError(f"templates: there is no folder {folder}")
    return [template for place in _entries(folder) for template in _read_key(_checked_place(place))]


def _checked_place(place: Path) -> Path:
    if not place.is_dir():
        raise ConfigurationError(
            f"{place}: must lie in a folder named after its template, as in welcome/{place.name}"
        )
    if not is_key(place.name):
        raise ConfigurationError(
            f"{place}: a template is named with a-z, 0-9 and -, at most 100 of them"
        )
    return place


def _read_key(place: Path) -> Iterator[Template]:
    files: dict[tuple[str, str], dict[str, Path]] = {}
    for path in _entries(place):
        name = _part_name(path)
        parts = files.setdefault((name.channel, name.locale), {})
        if name.part in parts:
            raise ConfigurationError(f"{path}: {parts[name.part].name} is the same, remove one")
        parts[name.part] = path
    for (channel, locale), paths in files.items():
        sources = {part: _read(path) for part, path in paths.items()}
        yield check_whole(Template(key=place.name, channel=channel, locale=locale, parts=sources))


def _entries(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.iterdir()
        if not path.name.startswith(".") and not path.name.endswith(_IGNORED)
    )


def _part_name(path: Path) -> PartName:
    try:
        return parse_file_name(path.name)
    except InvalidInput as error:
        raise ConfigurationError(f"{path}: {error}") from None


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > FILE_LIMIT:
            raise ConfigurationError(f"{path}: has more than {FILE_LIMIT} bytes")
        source = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path}: is not UTF-8 at byte {error.start}") from None
    except OSError as error:
        raise ConfigurationError(f"{path}: can't be read ({error.strerror})") from None
    if "\0" in source:
        raise ConfigurationError(f"{path}: has a NUL character in it")
    return source
