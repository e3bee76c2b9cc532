"""Renders the pages: one minijinja engine over `web/pages`, strict and escaping everything."""

import re
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

import minijinja

from tidings.core.clock import Clock
from tidings.web.assets import Assets


class Engine:
    """Page templates by name; what they show is escaped, wherever it came from."""

    def __init__(
        self, assets: Assets, *, clock: Clock, title: str, origin: str, sender: str
    ) -> None:
        self._clock = clock
        folder = files("tidings.web") / "pages"
        self._environment = minijinja.Environment(
            templates={file.name: file.read_text("utf-8") for file in folder.iterdir()},
            filters={
                "iso": iso,
                "full": full,
                "clock": short,
                "ago": ago,
                "minute": minute,
                "number": number,
                "breakable": breakable,
            },
            globals={
                "asset": assets.url,
                "site_title": title,
                "origin": origin,
                "sender": sender,
            },
            undefined_behavior="strict",
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def render(self, name: str, **context: Any) -> str:
        """A page or a part of one as HTML."""
        return self._environment.render_template(name, now=self._clock.now(), **context)


def iso(moment: datetime) -> str:
    """A moment for a machine: `2026-11-23T05:48:24Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def full(moment: datetime) -> str:
    """A moment in full: `23 Nov 2026, 05:48:24 UTC`."""
    return moment.astimezone(UTC).strftime("%-d %b %Y, %H:%M:%S UTC")


def short(moment: datetime, now: datetime) -> str:
    """A moment in short: the time of day today, the date before."""
    moment = moment.astimezone(UTC)
    return moment.strftime("%H:%M:%S" if moment.date() == now.date() else "%-d %b %H:%M")


def minute(moment: datetime) -> str:
    """The minute a moment lies in: `05:48`."""
    return moment.astimezone(UTC).strftime("%H:%M")


def ago(moment: datetime, now: datetime) -> str:
    """How long ago in words, by the minute; `static/tidings.js` says it in the same words."""
    minutes = int((now - moment).total_seconds() // 60)
    if minutes < 0:
        return "soon"
    if minutes < 1:
        return "just now"
    if minutes < 60:
        return f"{minutes} min ago"
    return f"{minutes // 60} h ago" if minutes < 48 * 60 else f"{minutes // 1440} days ago"


def breakable(name: str) -> str:
    """A name as HTML that may be broken after `_` and `.`, and as little as can be elsewhere."""
    return minijinja.safe(re.sub(r"([_.])(?=.)", r"\1<wbr>", str(minijinja.escape(name))))


def number(value: int) -> str:
    """A count with thin groups of three: `12 345`."""
    return f"{value:,}".replace(",", "\u202f")
