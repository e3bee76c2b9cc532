"""What the simulated installation sends: a workflow for each way of sending."""

from dataclasses import dataclass

from tests.simulation.settings import ATTEMPTS
from tidings.core.models import DIRECT_MESSAGE, REGISTERED_USER
from tidings.notifications.workflow import Delay, Email, Retry, Workflow

PLAIN, URGENT, TWOFOLD = "ORDER_SHIPPED", "PASSWORD_RESET", "TRIAL_BEGAN"
AT_MOST_ONCE, ASKED_FIRST, SHORT_LIVED = "INVOICE_DUE", "TICKET_SOLD", "CODE_WANTED"

WORKFLOWS = (
    Workflow(key="plain", on=PLAIN, steps=[Email("note")]),
    Workflow(key="urgent", on=URGENT, steps=[Email("note")], critical=True),
    Workflow(key="twofold", on=TWOFOLD, steps=[Email("note"), Delay(seconds=2), Email("later")]),
    Workflow(key="at-most-once", on=AT_MOST_ONCE, steps=[Email("note")], on_unknown="hold"),
    Workflow(key="asked-first", on=ASKED_FIRST, steps=[Email("note")], on_unknown="check"),
    Workflow(
        key="short-lived",
        on=SHORT_LIVED,
        steps=[Email("note", expires_after=3)],
        retry=Retry(attempts=3),
    ),
)
#: the text of every message names its template and the request it comes from
TEXTS = {
    "note": "note {{ data.mark }}",
    "later": "later {{ data.mark }}",
    "welcome": "welcome {{ data.email }}",
    "direct": "direct {{ data.text }}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What a type of event must lead to, said apart from the workflows."""

    templates: tuple[str, ...] = ("note",)
    #: whatever happens, the vendor takes it no more than once
    once: bool = False
    #: an end that is no failure, when nobody knows what became of it
    may_be_held: bool = False
    #: seconds from the event after which nothing is called
    expires: float | None = None
    #: nobody can opt out of it
    critical: bool = False
    attempts: int = ATTEMPTS


PROMISES = {
    PLAIN: Promise(),
    URGENT: Promise(critical=True),
    TWOFOLD: Promise(templates=("note", "later")),
    AT_MOST_ONCE: Promise(once=True, may_be_held=True),
    ASKED_FIRST: Promise(once=True, may_be_held=True),
    SHORT_LIVED: Promise(expires=3.0, attempts=3),
    REGISTERED_USER: Promise(templates=("welcome",)),
    DIRECT_MESSAGE: Promise(templates=("direct",)),
}
#: what clients ask for, the more important more often
KINDS = (*PROMISES, PLAIN, PLAIN, TWOFOLD)
