"""Sites with something to show, and with nothing."""

from dataclasses import replace
from uuid import uuid4

from tests.browser.samples import (
    SampleAnalytics,
    SampleDeadLetters,
    SampleNotifications,
    SampleOutbox,
    attempt,
    dead_letter,
    decision,
    delivery,
    event,
    message,
    notification,
)
from tests.browser.site import Site
from tidings.core.models import Verdict
from tidings.notifications.explanation import Explanation
from tidings.store.dead_letter_rows import Kind

MAIL = """<!doctype html><html><head><meta charset="utf-8"><title>Welcome</title></head>
<body style="margin:0;background:#eef1f6;font-family:sans-serif">
<div style="max-width:560px;margin:24px auto;padding:32px;background:#fff;border-radius:8px">
<h1 style="margin-top:0">Welcome, Ada</h1><p>We are glad that you are here.</p>
<p><a href="https://example.com/start">Start here</a></p></div></body></html>"""

EVIL_MAIL = """<html><head></head><body><h1>Prize</h1><script>alert('script')</script>
<img src="x" onerror="alert('onerror')"><svg onload="alert('onload')"></svg>
<img src="https://example.com/pixel.gif"><form action="/outbox" method="post"><button>Go</button>
</form><a id="trap" href="javascript:alert('link')">Click</a>
<meta http-equiv="refresh" content="0;url=javascript:alert('refresh')"></body></html>"""

EVIL_TEXT = "<img src=x onerror=alert('page')>\"'</script><script>alert('page')</script>"


def empty_site() -> Site:
    return Site()


def locked_site() -> Site:
    return Site(has_keys=True)


def busy_site() -> Site:
    return Site(
        analytics=_analytics(),
        notifications=SampleNotifications(_sent(), _failed(), _skipped(), _waiting(), _unheard()),
        outbox=SampleOutbox(
            message(html=MAIL, minutes=0.2),
            message(address="grace@example.com", name="Grace Hopper", subject="Your order left"),
            message(address="łukasz@example.com", name="Łukasz 李", subject=None, minutes=90),
            message(
                address="a-very-long-address-that-does-not-break-anywhere@subdomain.example.com",
                name=None,
                subject="Averylongsubjectwithoutanyspaceinitsothatitmustbebrokensomewhere" * 2,
                minutes=60 * 30,
            ),
        ),
        dead_letters=_dead_letters(),
    )


def crowded_site() -> Site:
    """As many events as a page shows, with long names and longer reasons."""
    reason = "The template can't be rendered: order-shipped/email.txt, line 3: no items. " * 3
    failed = notification(deliveries=[delivery("failed", reason)])
    waits = decision(Verdict.WAIT, "delay", "Waits 2 days, until 2026-11-25 07:00:00 UTC.")
    kinds = [
        event(failed, type="WAREHOUSE_SHIPMENT_CONFIRMED_BY_CARRIER"),
        event(notification("waiting", [waits]), type="com.example.billing.invoice_overdue.v2"),
        event(notification(deliveries=[delivery("sent")]), minutes=60 * 30),
        event(notification("skipped", [decision(Verdict.SKIP, "once", "Welcomed before.")])),
    ]
    events = [replace(kinds[number % 4], event_id=str(uuid4())) for number in range(20)]
    analytics = _analytics()
    analytics.count("suppressed", 3, 11)
    analytics.count("held", 1, 11)
    return Site(notifications=SampleNotifications(*events), analytics=analytics)


def evil_site() -> Site:
    """Everything a stranger can write is an attack."""
    refused = decision(Verdict.SKIP, EVIL_TEXT, EVIL_TEXT)
    return Site(
        notifications=SampleNotifications(
            event(notification("skipped", [refused]), type=EVIL_TEXT),
            event(state="failed", reason=EVIL_TEXT, type=EVIL_TEXT),
        ),
        outbox=SampleOutbox(
            message(name=EVIL_TEXT, subject=EVIL_TEXT, text=EVIL_TEXT, html=EVIL_MAIL)
        ),
        dead_letters=SampleDeadLetters(dead_letter(EVIL_TEXT)),
    )


def _dead_letters() -> SampleDeadLetters:
    return SampleDeadLetters(
        dead_letter(),
        dead_letter("The mailbox is full: 452 4.2.2", Kind.DELIVERY, minutes=40),
        dead_letter("the worker died during the call", Kind.DELIVERY, in_doubt=True, minutes=60),
        dead_letter("workflow welcome has no step 3", Kind.NOTIFICATION, minutes=300),
        dead_letter("ZeroDivisionError: division by zero", Kind.EVENT, minutes=60 * 30),
    )


def _analytics() -> SampleAnalytics:
    analytics = SampleAnalytics()
    for minutes in range(2, 56, 3):
        analytics.count("registered", 40 + minutes * 7 % 31, minutes)
        analytics.count("sent", 38 + minutes * 7 % 29, minutes)
    for minutes in (8, 20, 23):
        analytics.count("failed", 6, minutes)
    analytics.count("retried", 4, 20)
    analytics.count("skipped", 12, 11)
    return analytics


def _sent() -> Explanation:
    chosen = decision(Verdict.SEND, "default", "Nobody asked not to be told.")
    sent = delivery("sent", None, [attempt("sent")])
    return event(notification(decisions=[chosen], deliveries=[sent]), minutes=0.3)


def _failed() -> Explanation:
    refusal = "550 5.1.1 no such mailbox"
    calls = [attempt("transient", "421 too busy", 2.5), attempt("rejected", refusal)]
    chosen = decision(Verdict.SEND, "default", "Nobody asked not to be told.")
    failed = delivery("failed", refusal, calls)
    return event(notification(decisions=[chosen], deliveries=[failed]), minutes=4)


def _skipped() -> Explanation:
    refused = decision(Verdict.SKIP, "once", "This user has been welcomed before.")
    return event(notification("skipped", [refused]), minutes=70)


def _waiting() -> Explanation:
    return event(type="ORDER_SHIPPED", state="due", minutes=0.1)


def _unheard() -> Explanation:
    return event(type="ORDER_PAID", reason="No workflow listens to ORDER_PAID.", minutes=60 * 26)
