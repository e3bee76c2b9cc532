"""Addresses in the one form that is stored, compared and sent to."""

from email_validator import EmailNotValidError, validate_email

from tidings.core.errors import InvalidInput

#: characters an address may have (RFC 5321, 4.5.3.1.3, less the angle brackets)
EMAIL_LIMIT = 254


def normalise_email(raw: str, *, field: str = "email") -> str:
    """An e-mail address in lower case, NFC, with the domain in its ASCII form (`xn--…`).

    The local part is lower-cased too: no mail service in use tells `Ann@` from `ann@`, people
    write both. Raises InvalidInput(field=field) with a reason that does not repeat the address.
    """
    if len(raw) > EMAIL_LIMIT:
        raise _refusal(field, f"an address has at most {EMAIL_LIMIT} characters")
    if not raw.isprintable() or "\ufffd" in raw:
        raise _refusal(field, "must be one line without control or invisible characters")
    try:
        found = validate_email(
            raw.lower(), check_deliverability=False, strict=True, test_environment=True
        )
    except EmailNotValidError as error:
        raise _refusal(field, str(error)) from None
    return f"{found.local_part}@{found.ascii_domain}"


def _refusal(field: str, reason: str) -> InvalidInput:
    return InvalidInput(f"{field}: {reason}", field=field)
