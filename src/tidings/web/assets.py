"""Our static files: read once, at addresses that hold a hash of their content."""

import hashlib
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

from starlette.responses import Response

_HEADERS: Mapping[str, str] = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """One static file: its bytes, its media type, and the address it has while it stays so."""

    name: str
    content: bytes
    media_type: str

    @property
    def url(self) -> str:
        """`/static/<hash>/<name>`."""
        digest = hashlib.sha256(self.content).hexdigest()[:16]
        return f"/static/{digest}/{self.name}"


class Assets:
    """All files of `web/static`."""

    def __init__(self) -> None:
        found = [_asset(name, file) for name, file in _walk(files("tidings.web") / "static")]
        self._by_url = {asset.url: asset for asset in found}
        self._urls = {asset.name: asset.url for asset in found}

    def url(self, name: str) -> str:
        """The address of a file; KeyError for one that does not exist."""
        return self._urls[name]

    def response(self, path: str) -> Response | None:
        """The answer to `GET <path>`, or None where there is no such file."""
        asset = self._by_url.get(path)
        if asset is None:
            return None
        return Response(asset.content, media_type=asset.media_type, headers=dict(_HEADERS))


def _walk(folder: Traversable, prefix: str = "") -> list[tuple[str, Traversable]]:
    found: list[tuple[str, Traversable]] = []
    for entry in folder.iterdir():
        name = f"{prefix}{entry.name}"
        found += _walk(entry, f"{name}/") if entry.is_dir() else [(name, entry)]
    return found


def _asset(name: str, file: Traversable) -> Asset:
    media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return Asset(name=name, content=file.read_bytes(), media_type=media_type)
