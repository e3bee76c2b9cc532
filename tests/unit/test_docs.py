"""The documents say what the program does, and every check is shown to find a planted fault."""

import re
import tomllib
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

import pytest
import typer

from tests.unit import documents
from tidings.api.problems import KINDS
from tidings.cli import app
from tidings.core.models import DeliveryState, EventState, NotificationState
from tidings.core.rules import Rule
from tidings.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
README, CONTRIBUTING = ROOT / "README.md", ROOT / "CONTRIBUTING.md"
ADRS = sorted((DOCS / "adr").glob("*.md"))
PAGES = sorted(DOCS.rglob("*.md"))
#: answered outside of the error tree
OTHER_PROBLEMS = {"urn:tidings:problem:method-not-allowed": 405}
ALL = [README, CONTRIBUTING, ROOT / "CHANGELOG.md", *PAGES]


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def defaults() -> dict[str, str]:
    return {
        f"TIDINGS_{name.upper()}": as_shown(field.default)
        for name, field in Settings.model_fields.items()
    }


def as_shown(default: object) -> str:
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, tuple):
        return ",".join(default) or "none"
    return "none" if default is None else str(default)


def providers() -> Sequence[str]:
    project = tomllib.loads(read(ROOT / "pyproject.toml"))["project"]
    return list(project["entry-points"]["tidings.providers"])


def test_the_readme_is_short_and_its_test_command_is_make_test() -> None:
    text = read(README)

    assert documents.too_long("README.md", text, documents.README_LIMIT) == []
    assert "\nmake test\n" in text


def test_contributing_is_one_page() -> None:
    assert documents.too_long("CONTRIBUTING.md", read(CONTRIBUTING), 120) == []


@pytest.mark.parametrize("path", ADRS, ids=name_of)
def test_an_adr_is_short_and_has_its_four_parts(path: Path) -> None:
    text = read(path)

    assert documents.too_long(path.name, text, documents.ADR_LIMIT) == []
    assert documents.missing_sections(path.name, text) == []


def test_adrs_are_numbered_without_gaps() -> None:
    assert [int(path.name[:4]) for path in ADRS] == list(range(1, len(ADRS) + 1))


@pytest.mark.parametrize("path", ALL, ids=name_of)
def test_every_relative_link_leads_somewhere(path: Path) -> None:
    assert documents.broken_links(path, read(path)) == []


@pytest.mark.parametrize("path", ALL, ids=name_of)
def test_every_path_that_is_named_exists(path: Path) -> None:
    assert documents.broken_paths(read(path), ROOT) == []


def test_the_table_of_contents_lists_every_page() -> None:
    contents = DOCS / "README.md"

    assert documents.unlisted(contents, [page for page in PAGES if page != contents]) == []


@pytest.mark.parametrize("path", ALL, ids=name_of)
def test_code_said_to_be_from_a_file_stands_in_that_file(path: Path) -> None:
    assert documents.stale_quotes(read(path), ROOT) == []


def test_every_setting_is_documented_with_its_default() -> None:
    assert documents.wrong_settings(read(DOCS / "reference/settings.md"), defaults()) == []


def test_every_command_is_documented_with_its_options() -> None:
    commands = dict(documents.commands_of(typer.main.get_command(app), "tidings"))

    assert documents.wrong_commands(read(DOCS / "reference/cli.md"), commands) == []


def test_every_provider_has_a_page() -> None:
    pages = {path.name: read(path) for path in (DOCS / "howto").glob("*.md")}

    assert documents.undocumented_providers(providers(), pages) == []


def test_every_problem_type_is_documented_with_its_status() -> None:
    rows = documents.table(read(DOCS / "reference/http-api.md"))
    shown = {name: int(row[0]) for name, row in rows.items() if name.startswith("urn:")}

    answered = {f"urn:tidings:problem:{name}": status for status, name in KINDS.values()}
    assert shown == answered | OTHER_PROBLEMS


@pytest.mark.parametrize("states", [DeliveryState, NotificationState, EventState])
def test_the_concepts_name_every_state(states: type[StrEnum]) -> None:
    text = read(DOCS / "concepts.md")

    assert [state for state in states if f"`{state}`" not in text] == []


def test_the_concepts_name_every_rule_and_no_other() -> None:
    section = (
        read(DOCS / "concepts.md").partition("## Decisions and rules")[2].partition("\n## ")[0]
    )

    assert [rule for rule in Rule if f"`{rule}`" not in section] == []
    assert set(documents.table(section)) <= set(Rule)


# Planted faults: what each check above must not let pass.


def test_a_document_one_line_too_long_is_found() -> None:
    assert documents.too_long("x.md", "line\n" * 30, 30) == []
    assert documents.too_long("x.md", "line\n" * 31, 30) == ["x.md has 31 lines, 30 are the limit"]


def test_an_adr_without_its_price_is_found() -> None:
    text = "**Context.** a\n**Choice.** b\n**When to look again.** c\n"

    assert documents.missing_sections("1.md", text) == ["1.md does not say: Price"]


@pytest.mark.parametrize(
    ("target", "findings"),
    [
        ("there.md", 0),
        ("there.md#a-title-its-own", 0),
        ("https://example.com/x", 0),
        ("#here", 0),
        ("gone.md", 1),
        ("there.md#another", 1),
        ("#nowhere", 1),
        ("pictures/", 1),
    ],
)
def test_a_link_to_nowhere_is_found(tmp_path: Path, target: str, findings: int) -> None:
    (tmp_path / "there.md").write_text("# A title, its own\n")
    text = f"# Here\n\nSee [this]({target}).\n"

    assert len(documents.broken_links(tmp_path / "page.md", text)) == findings


def test_a_missing_picture_is_found(tmp_path: Path) -> None:
    text = "![The outbox](images/outbox.png)"

    assert documents.broken_links(tmp_path / "page.md", text) == [
        "page.md links to images/outbox.png"
    ]


def test_a_path_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    (tmp_path / "src/here").mkdir(parents=True)
    text = "`src/here` is there; `src/gone.py` and `docs/gone` are not, `other/gone` is not ours."

    found = documents.broken_paths(text, tmp_path)

    assert found == ["there is no src/gone.py", "there is no docs/gone"]


def test_a_page_left_out_of_the_contents_is_found(tmp_path: Path) -> None:
    contents = tmp_path / "README.md"
    contents.write_text("[one](one.md)\n")
    pages = [tmp_path / "one.md", tmp_path / "two.md"]

    assert documents.unlisted(contents, pages) == ["two.md is not in README.md"]


@pytest.mark.parametrize(
    ("code", "findings"),
    [
        ("async def main():\n    await one()\n", 0),
        ("await one()\nawait two()\n", 0),
        ("await one()\nawait three()\n", 1),
        ("await one()\n    await two()\n", 1),
    ],
)
def test_code_that_differs_from_its_file_is_found(tmp_path: Path, code: str, findings: int) -> None:
    (tmp_path / "x.py").write_text("async def main():\n    await one()\n    await two()\n")
    text = f"Like this:\n\n<!-- from x.py -->\n```python\n{code}```\n"

    assert len(documents.stale_quotes(text, tmp_path)) == findings


@pytest.mark.parametrize(
    ("row", "finding"),
    [
        ("| `TIDINGS_PORT` | `8000` | port | The port. | `9000` |", None),
        ("", "TIDINGS_PORT is not documented"),
        ("| `TIDINGS_PORT` | `80` | port | The port. | `9000` |", "the default is 8000, not `80`"),
        ("| `TIDINGS_PORT` | `8000` | port |  | `9000` |", "TIDINGS_PORT lacks a cell"),
        ("| `TIDINGS_PROT` | `8000` | port | The port. | `9000` |", "TIDINGS_PROT is documented"),
    ],
)
def test_a_setting_that_is_missing_or_wrong_is_found(row: str, finding: str | None) -> None:
    findings = documents.wrong_settings(f"# Settings\n\n{row}\n", {"TIDINGS_PORT": "8000"})

    assert (finding is None) == (findings == [])
    assert (finding or "") in "\n".join(findings)


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("## `shop sell`\n\n`WHAT`, `--price`\n", None),
        ("## `shop sell`\n\n`WHAT`\n", "shop sell --price is not documented"),
        ("## `shop sell`\n\n`--price`\n", "shop sell WHAT is not documented"),
        ("## `shop buy`\n", "shop sell is not documented"),
        ("## `shop sell`\n\n`WHAT`, `--price`\n## `shop buy`\n", "shop buy is no command"),
    ],
)
def test_a_command_that_is_missing_or_wrong_is_found(text: str, finding: str | None) -> None:
    shop = typer.Typer()
    shop.callback()(lambda: None)

    @shop.command()
    def sell(what: str, price: int = typer.Option(1)) -> None: ...

    commands = dict(documents.commands_of(typer.main.get_command(shop), "shop"))
    findings = documents.wrong_commands(text, commands)

    assert (finding is None) == (findings == [])
    assert (finding or "") in findings or finding is None


def test_a_provider_without_a_page_is_found() -> None:
    pages = {"email-smtp.md": "", "testing.md": "<!-- provider: recording -->"}

    found = documents.undocumented_providers(["smtp", "recording", "mail"], pages)

    assert found == ["the provider mail has no page"]


def test_requests_and_answers_are_read_from_a_page() -> None:
    page = (
        "### `POST /v1/a`\n\n```http\nPOST /v1/a?b=c\nX-Key: k\n\n{}\n```\n\n"
        "Answer `202`:\n\n```json\n[1]\n```\n\n### `GET /v1/a`\n\n"
        "```http\nGET /v1/a\n```\n\nAnswer `200`:\n\n```text\nfine\n```\n"
    )

    post, get = documents.calls(page)

    assert documents.routes(page) == {("POST", "/v1/a"), ("GET", "/v1/a")}
    assert (post.method, post.path, post.headers) == ("POST", "/v1/a?b=c", {"X-Key": "k"})
    assert (post.body, post.status, post.answer) == ("{}\n", 202, "[1]\n")
    assert (get.path, get.body, get.status, get.answer) == ("/v1/a", "", 200, "fine\n")


def test_curls_are_read_from_a_page() -> None:
    page = (
        "```sh\ncurl -X PUT http://localhost:8000/v1/a \\\n  -H 'X-Key: k' -d '{\"b\":\n 1}'\n\n"
        "tidings up\ncurl localhost:8000/v1/c\ncurl http://localhost:8000/v1/<id>\n```\n"
    )

    put, get = documents.curls(page)

    assert (put.method, put.path, put.body) == ("PUT", "/v1/a", '{"b": 1}')
    assert put.headers == {"X-Key": "k"}
    assert (get.method, get.path, get.body) == ("GET", "/v1/c", "")


def test_no_document_names_a_path_of_a_machine() -> None:
    private = re.compile(r"/(?:work|root|home|tmp)/\w")

    assert [name_of(path) for path in ALL if private.search(read(path))] == []
