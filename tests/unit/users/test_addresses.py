"""E-mail addresses: one form, and nothing that could break out of a header."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.core.errors import InvalidInput
from tidings.users.addresses import normalise_email


@pytest.mark.parametrize(
    ("raw", "normal"),
    [
        ("test@example.com", "test@example.com"),
        ("Ann.Smith+News@EXAMPLE.com", "ann.smith+news@example.com"),
        ("a@shop.test", "a@shop.test"),
        ("zażółć@example.com", "zażółć@example.com"),
        ("e\u0301@example.com", "\u00e9@example.com"),
        (f"{'a' * 64}@example.com", f"{'a' * 64}@example.com"),
    ],
)
def test_an_address_has_one_form(raw: str, normal: str) -> None:
    assert normalise_email(raw) == normal


@pytest.mark.parametrize(
    "domain", ["bücher.example", "BÜCHER.example", "xn--bcher-kva.example", "bücher。example"]
)
def test_an_international_domain_has_one_form_however_it_is_written(domain: str) -> None:
    assert normalise_email(f"ann@{domain}") == "ann@xn--bcher-kva.example"


def test_a_lookalike_domain_is_another_domain() -> None:
    assert normalise_email("ann@ex\u0430mple.com") == "ann@xn--exmple-4nf.com"


@pytest.mark.parametrize(
    "character",
    [
        "\r\n",
        "\r",
        "\n",
        "\0",
        "\t",
        "\x1c",
        "\x7f",
        "\x85",
        "\u2028",
        "\u2029",
        "\u200b",
        "\ud800",
    ],
)
@pytest.mark.parametrize(
    "place", ["{}a@example.com", "a{}b@example.com", "a@exam{}ple.com", "a@example.com{}"]
)
def test_no_control_or_invisible_character_gets_through(character: str, place: str) -> None:
    with pytest.raises(InvalidInput, match="one line without control") as refusal:
        normalise_email(place.format(character))

    assert refusal.value.field == "email"


@pytest.mark.parametrize(
    "raw",
    [
        "",
        " ",
        "ann",
        "ann@",
        "@example.com",
        "ann@example",
        "ann@localhost",
        "ann@@example.com",
        "ann@b@example.com",
        "ann@example.com.",
        "ann@.example.com",
        "ann@-example.com",
        ".ann@example.com",
        "an..n@example.com",
        " ann@example.com",
        "ann@example.com ",
        "an n@example.com",
        "Ann <ann@example.com>",
        "ann@example.com,bob@example.com",
        '"ann"@example.com',
        '"a b"@example.com',
        "ann@[127.0.0.1]",
        "ann@127.0.0.1",
        "ann@xn--zz.example",
        f"{'a' * 65}@example.com",
        f"ann@{'a' * 64}.example",
    ],
)
def test_what_is_no_address_is_refused(raw: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        normalise_email(raw)

    assert refusal.value.field == "email"


def test_254_characters_are_an_address_and_255_are_not() -> None:
    domain = ".".join(["d" * 61] * 3 + ["com"])
    longest = f"{'a' * (253 - len(domain))}@{domain}"

    assert len(longest) == 254
    assert normalise_email(longest) == longest
    with pytest.raises(InvalidInput, match="254"):
        normalise_email(f"a{longest}")


def test_a_megabyte_is_refused_at_once() -> None:
    with pytest.raises(InvalidInput, match="254"):
        normalise_email("a" * 1_000_000 + "@example.com")


def test_the_refusal_does_not_repeat_the_address() -> None:
    with pytest.raises(InvalidInput) as refusal:
        normalise_email("secret.person@no-dot")

    assert "secret" not in str(refusal.value)


@given(st.text(max_size=30), st.sampled_from(["example.com", "bücher.example", "Ex-ample.ORG"]))
def test_the_normal_form_of_a_normal_form_is_itself(local: str, domain: str) -> None:
    try:
        normal = normalise_email(f"{local}@{domain}")
    except InvalidInput:
        return

    assert normalise_email(normal) == normal
    assert len(normal.splitlines()) == 1
