"""Checks of the documents: each is given texts and answers with what is wrong, a line each."""

import json
import re
import shlex
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from typer.core import TyperCommand, TyperGroup, TyperOption

ADR_LIMIT = 30
README_LIMIT = 150
ADR_SECTIONS = ("Context", "Choice", "Price", "When to look again")

_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_QUOTED = re.compile(
    r"^<!-- from (?P<path>\S+) -->\n+```python\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL
)
_ROW = re.compile(r"^\| `(?P<name>[^`]+)` \| (?P<rest>.*) \|$", re.MULTILINE)


def too_long(name: str, text: str, limit: int) -> list[str]:
    """A document with more lines than it may have."""
    lines = len(text.splitlines())
    return [f"{name} has {lines} lines, {limit} are the limit"] if lines > limit else []


def missing_sections(name: str, text: str) -> list[str]:
    """An ADR without one of its four parts."""
    return [f"{name} does not say: {part}" for part in ADR_SECTIONS if f"**{part}.**" not in text]


def broken_links(path: Path, text: str) -> list[str]:
    """Relative links to files, or to headings in them, that do not exist."""
    return [
        f"{path.name} links to {target}"
        for target in _links(text)
        if not re.match(r"[a-z]+:", target) and not _exists(path, text, target)
    ]


def broken_paths(text: str, root: Path) -> list[str]:
    """Paths of this repository, in code, where there is nothing."""
    named = re.findall(r"`((?:src|tests|docs|examples|bench)/[\w./-]+)`", text)
    return [f"there is no {path}" for path in named if not (root / path).exists()]


def unlisted(contents: Path, pages: Iterable[Path]) -> list[str]:
    """Pages that the table of contents does not link to."""
    targets = _links(contents.read_text(encoding="utf-8"))
    listed = {(contents.parent / target).resolve() for target in targets}
    return [f"{page.name} is not in {contents.name}" for page in pages if page not in listed]


def stale_quotes(text: str, root: Path) -> list[str]:
    """Blocks marked as taken from a file that do not stand in that file."""
    return [
        f"this is not in {quote['path']}: {quote['code']}"
        for quote in _QUOTED.finditer(text)
        if not _stands_in(quote["code"], (root / quote["path"]).read_text(encoding="utf-8"))
    ]


def table(text: str) -> Mapping[str, Sequence[str]]:
    """Rows of tables whose first cell is code: that code → the other cells."""
    return {row["name"]: row["rest"].split(" | ") for row in _ROW.finditer(text)}


def wrong_settings(text: str, defaults: Mapping[str, str]) -> list[str]:
    """Settings without a whole row, rows without a setting, and defaults that are not so."""
    rows = {name: row for name, row in table(text).items() if name.startswith("TIDINGS_")}
    missing = [f"{name} is not documented" for name in defaults if name not in rows]
    unknown = [f"{name} is documented and does not exist" for name in rows if name not in defaults]
    wrong = [
        f"{name}: the default is {defaults[name]}, not {row[0]}"
        for name, row in rows.items()
        if name in defaults and row[0].strip("`") != defaults[name]
    ]
    hasty = [f"{name} lacks a cell" for name, row in rows.items() if len([*filter(None, row)]) != 4]
    return missing + unknown + wrong + hasty


def wrong_commands(text: str, known: Mapping[str, TyperCommand]) -> list[str]:
    """Commands without a section, sections without a command, and options not named there."""
    sections = dict(_sections(text))
    missing = [f"{name} is not documented" for name in known if name not in sections]
    unknown = [f"{name} is no command" for name in sections if name not in known]
    options = [
        f"{name} {option} is not documented"
        for name, command in known.items()
        for option in _words(command)
        if f"`{option}`" not in sections.get(name, "")
    ]
    return missing + unknown + options


def commands_of(group: object, name: str) -> Iterator[tuple[str, TyperCommand]]:
    """Every command of a group, with its whole name."""
    if isinstance(group, TyperCommand):
        yield name, group
    elif isinstance(group, TyperGroup):
        for part, command in group.commands.items():
            yield from commands_of(command, f"{name} {part}")


def undocumented_providers(providers: Iterable[str], pages: Mapping[str, str]) -> list[str]:
    """Providers that no how-to names, in its file name or by a mark in the page."""
    return [
        f"the provider {provider} has no page"
        for provider in providers
        if not any(
            provider in name.removesuffix(".md").split("-")
            or f"<!-- provider: {provider} -->" in text
            for name, text in pages.items()
        )
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request and its answer, as a page shows them."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: str
    status: int
    answer: str


_CALL = re.compile(
    r"^```http\n(?P<method>[A-Z]+) (?P<path>\S+)\n(?P<headers>(?:[A-Za-z-]+: [^\n]*\n)*)"
    r"(?:\n(?P<body>.*?))?^```\n+"
    r"Answer `(?P<status>\d+)`:\n+```(?:json|text)\n(?P<answer>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


def calls(text: str) -> list[Call]:
    """Every request with its answer, in the order of the page."""
    return [
        Call(
            method=found["method"],
            path=found["path"],
            headers=dict(line.split(": ", 1) for line in found["headers"].splitlines()),
            body=found["body"] or "",
            status=int(found["status"]),
            answer=found["answer"],
        )
        for found in _CALL.finditer(text)
    ]


def curls(text: str) -> list[Call]:
    """Every `curl` of the page that names a whole address of this machine, in its order."""
    called = [curl(words) for words in commands(text) if words[0] == "curl"]
    return [call for call in called if call.path]


def commands(text: str) -> Iterator[Sequence[str]]:
    """Every `curl` and `tidings` of all blocks, as words; one ends where its quotes are closed."""
    for block in _FENCE.findall(text):
        waiting = ""
        for line in block.splitlines()[1:-1]:
            waiting += line
            if waiting.endswith("\\"):
                waiting = waiting.removesuffix("\\")
            elif waiting.count("'") % 2:
                waiting += "\n"
            else:
                if re.match(r"curl |(\.venv/bin/)?tidings ", waiting):
                    yield shlex.split(waiting)
                waiting = ""


def curl(command: Sequence[str]) -> Call:
    """What a `curl` asks; without a path if it is not for this machine."""
    words = iter(command)
    method, path, body, headers = "GET", "", "", {}
    for word in words:
        if word == "-X":
            method = next(words)
        elif word == "-H":
            name, _, value = next(words).partition(": ")
            headers[name] = value
        elif word == "-d":
            body = json.dumps(json.loads(next(words)))
        elif found := re.fullmatch(r"(?:http://)?localhost:8000(/[^<]*)", word):
            path = found[1]
    return Call(method=method, path=path, headers=headers, body=body, status=0, answer="")


def routes(text: str) -> set[tuple[str, str]]:
    """The method and path of every route that has a heading."""
    return set(re.findall(r"^### `([A-Z]+) (\S+)`$", text, re.MULTILINE))


def _links(text: str) -> list[str]:
    return _LINK.findall(_FENCE.sub("", text))


def _exists(path: Path, text: str, target: str) -> bool:
    name, _, anchor = target.partition("#")
    file = path.parent / name
    if not file.exists():
        return False
    return not anchor or anchor in anchors(file.read_text(encoding="utf-8") if name else text)


def anchors(text: str) -> set[str]:
    """Where links into a page may lead: its headings, as the forges name them."""
    titles = re.findall(r"^#+ (.+)$", _FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def _stands_in(code: str, source: str) -> bool:
    lines, length = source.splitlines(), len(code.splitlines())
    windows = ("\n".join(lines[start : start + length]) for start in range(len(lines)))
    return any(textwrap.dedent(window).strip() == code.strip() for window in windows)


def _sections(text: str) -> Iterator[tuple[str, str]]:
    _, *parts = re.split(r"^## `([^`]+)`$", text, flags=re.MULTILINE)
    return zip(parts[::2], parts[1::2], strict=True)


def _words(command: TyperCommand) -> Iterator[str]:
    for parameter in command.params:
        if isinstance(parameter, TyperOption):
            yield parameter.opts[0]
        else:
            yield str(parameter.name).upper()
