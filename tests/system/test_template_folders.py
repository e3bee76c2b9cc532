"""Folders of templates: what is read, and what is refused by its name."""

from pathlib import Path

import pytest

from tidings.core.errors import ConfigurationError
from tidings.templates.folder import FILE_LIMIT, read_folder
from tidings.templates.template import Template


def write(folder: Path, **files: str) -> Path:
    """Files named by keyword: `order__email_de_txt` is order/email.de.txt."""
    for name, source in files.items():
        key, rest = name.split("__")
        path = folder / key.replace("_", "-") / rest.replace("_", ".")
        path.parent.mkdir(exist_ok=True)
        path.write_text(source, encoding="utf-8")
    return folder


def test_files_make_templates_by_key_channel_and_locale(tmp_path: Path) -> None:
    write(tmp_path, order__email_txt="T", order__email_html="H", order__email_subject_txt="S")
    write(tmp_path, order__email_DE_txt="TD", order__email_de_subject_txt="SD", order__sms_txt="M")

    assert sorted(read_folder(tmp_path), key=lambda found: (found.channel, found.locale)) == [
        Template(
            key="order",
            channel="email",
            locale="",
            parts={"html": "H", "subject": "S", "text": "T"},
        ),
        Template(key="order", channel="email", locale="de", parts={"subject": "SD", "text": "TD"}),
        Template(key="order", channel="sms", locale="", parts={"text": "M"}),
    ]


def test_line_ends_and_a_byte_order_mark_make_no_other_version(tmp_path: Path) -> None:
    unix, windows = tmp_path / "unix", tmp_path / "windows"
    for folder, source in [(unix, b"a\nb\n"), (windows, b"\xef\xbb\xbfa\r\nb\r\n")]:
        (folder / "order").mkdir(parents=True)
        (folder / "order" / "sms.txt").write_bytes(source)

    assert read_folder(unix)[0].version == read_folder(windows)[0].version


def test_notes_and_hidden_files_are_left_alone(tmp_path: Path) -> None:
    write(tmp_path, order__sms_txt="T")
    for name in [
        "README.md",
        ".DS_Store",
        "order/NOTES.md",
        "order/sms.txt~",
        "order/.sms.txt.swp",
    ]:
        (tmp_path / name).write_text("not a template")

    assert [found.parts for found in read_folder(tmp_path)] == [{"text": "T"}]


def test_an_empty_folder_has_no_templates(tmp_path: Path) -> None:
    assert read_folder(tmp_path) == []


@pytest.mark.parametrize(
    ("file", "source", "message"),
    [
        ("order/email.htm", b"", "its name must end in .txt, .subject.txt or .html"),
        ("order/email.german.txt", b"", "locale: must be a language"),
        ("order/email.html", b"", "add order/email.subject.txt and order/email.txt"),
        ("order/email.txt", b"", "add order/email.subject.txt"),
        ("order/sms.html", b"", "add order/sms.txt"),
        ("order/sms.txt", b"\xff", "sms.txt: is not UTF-8 at byte 0"),
        ("order/sms.txt", b"a\0b", "sms.txt: has a NUL character"),
        ("order/sms.txt", b"a" * (FILE_LIMIT + 1), f"sms.txt: has more than {FILE_LIMIT} bytes"),
        ("email.txt", b"", "must lie in a folder named after its template"),
        ("Order Shipped/sms.txt", b"", "Order Shipped: a template is named with a-z, 0-9 and -"),
        ("order/parts/sms.txt", b"", "parts: its name must end in"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, file: str, source: bytes, message: str) -> None:
    path = tmp_path / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(source)

    with pytest.raises(ConfigurationError) as error:
        read_folder(tmp_path)

    assert message in str(error.value)


def test_two_names_of_one_template_are_refused(tmp_path: Path) -> None:
    write(tmp_path, order__sms_de_txt="a", order__sms_DE_txt="b")

    with pytest.raises(ConfigurationError, match=r"sms\.DE\.txt is the same, remove one"):
        read_folder(tmp_path)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"there is no folder .*nowhere"):
        read_folder(tmp_path / "nowhere")


def test_a_folder_in_a_files_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "order" / "sms.txt").mkdir(parents=True)

    with pytest.raises(ConfigurationError, match=r"sms\.txt: can't be read"):
        read_folder(tmp_path)
