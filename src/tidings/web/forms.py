"""Forms of the pages: read whole and bounded, never from the address line."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

from starlette.requests import Request

from tidings.core.errors import Forbidden, InvalidInput, PayloadTooLarge

LIMIT = 4096

_FORM = "application/x-www-form-urlencoded"
_MOST_FIELDS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What to look for, and the message to go on after."""

    words: str = ""
    before: str | None = None


async def read_search(request: Request) -> Search:
    """The outbox's search. Raises PayloadTooLarge, and InvalidInput for what is not text."""
    fields = await read_form(request)
    words = fields.get("q", "").strip()
    if "\x00" in words:
        raise InvalidInput("the search must not hold null characters", field="q")
    return Search(words=words, before=fields.get("before") or None)


def require_own_page(request: Request) -> None:
    """Raises Forbidden where a page of somebody else's sends a form of ours.

    Another port and a neighbouring name count as somebody else; who is no browser tells of neither.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None:
        is_own = site in ("same-origin", "none")
    else:
        is_own = origin is None or _is_at(request.headers.get("host"), origin)
    if not is_own:
        raise Forbidden("Only a page of this site may ask for that.")


def _is_at(host: str | None, origin: str) -> bool:
    try:
        return urlsplit(origin).netloc == host
    except ValueError:  # it is no address at all
        return False


async def read_form(request: Request) -> Mapping[str, str]:
    """The fields of a POST, the last of each name. Raises PayloadTooLarge and InvalidInput."""
    raw = await _bounded(request)
    if raw:
        _require_form(request)
    try:
        fields = parse_qs(
            raw.decode(), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS
        )
    except ValueError as error:
        raise InvalidInput("the form must be URL-encoded UTF-8 text") from error
    return {name: values[-1] for name, values in fields.items()}


def _require_form(request: Request) -> None:
    kind, _, _ = request.headers.get("content-type", "").partition(";")
    if kind.strip().lower() != _FORM:
        raise InvalidInput(f"send it as a form: {_FORM}")


async def _bounded(request: Request) -> bytes:
    raw = b""
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > LIMIT:
            raise PayloadTooLarge(f"the form has more than {LIMIT} bytes")
    return raw
