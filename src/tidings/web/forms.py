"""The outbox's search form: read whole and bounded, never from the address line."""

from dataclasses import dataclass
from urllib.parse import parse_qs

from starlette.requests import Request

from tidings.core.errors import InvalidInput, PayloadTooLarge

LIMIT = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What to look for, and the message to go on after."""

    words: str = ""
    before: str | None = None


async def read_search(request: Request) -> Search:
    """The form of a POST. Raises PayloadTooLarge, and InvalidInput for what is not text."""
    raw = await _bounded(request)
    try:
        fields = parse_qs(raw.decode(), errors="strict", max_num_fields=8)
    except ValueError as error:
        raise InvalidInput("the search must be URL-encoded UTF-8 text", field="q") from error
    words = fields.get("q", [""])[-1].strip()
    if "\x00" in words:
        raise InvalidInput("the search must not hold null characters", field="q")
    return Search(words=words, before=fields.get("before", [""])[-1] or None)


async def _bounded(request: Request) -> bytes:
    raw = b""
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > LIMIT:
            raise PayloadTooLarge(f"the search has more than {LIMIT} bytes", field="q")
    return raw
