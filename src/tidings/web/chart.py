"""The geometry of the dashboard's chart: bars for what was sent and what failed; pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tidings.analytics.summary import Figures, Point

HEIGHT = 100.0
SLOT = 10.0
GAP = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One rectangle of the chart, in its own units from the top left."""

    kind: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table that says the same as the chart."""

    at: datetime
    registrations: int
    sent: int
    failed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Bars, the table beside them, and the figures of the axes."""

    width: float
    height: float
    bars: tuple[Bar, ...]
    rows: tuple[Row, ...]
    #: the count at the top of the chart
    peak: int
    since: datetime


def draw(series: Sequence[Point]) -> Chart:
    """Lay out one slot for each point; the highest slot fills the height."""
    peak = max((_height(point.figures) for point in series), default=0)
    return Chart(
        width=SLOT * len(series),
        height=HEIGHT,
        bars=tuple(
            bar for slot, point in enumerate(series) for bar in _bars(slot, point.figures, peak)
        ),
        rows=tuple(_row(point) for point in reversed(series) if _height(point.figures)),
        peak=peak,
        since=series[0].at,
    )


def _height(figures: Figures) -> int:
    return max(figures.registrations, figures.sent + figures.failed)


def _bars(slot: int, figures: Figures, peak: int) -> list[Bar]:
    left, half = slot * SLOT + GAP / 2, (SLOT - GAP) / 2
    sent = _bar("sent", left + half, half, figures.sent, 0, peak)
    failed = _bar("failed", left + half, half, figures.failed, figures.sent, peak)
    registered = _bar("registered", left, half, figures.registrations, 0, peak)
    return [bar for bar in (registered, sent, failed) if bar.height]


def _bar(kind: str, x: float, width: float, count: int, below: int, peak: int) -> Bar:
    scale = HEIGHT / peak if peak else 0.0
    return Bar(
        kind=kind,
        x=round(x, 2),
        y=round(HEIGHT - (below + count) * scale, 2),
        width=round(width, 2),
        height=round(count * scale, 2),
    )


def _row(point: Point) -> Row:
    figures = point.figures
    return Row(
        at=point.at,
        registrations=figures.registrations,
        sent=figures.sent,
        failed=figures.failed,
    )
