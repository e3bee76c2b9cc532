"""Every error Tidings raises, in one tree; the class alone decides what happens next.

TidingsError
├── ConfigurationError          a wrong setting, plug-in or template: mend it and start again
├── InvalidInput                what was asked can't be taken as it stands: `field` names where
│   └── PayloadTooLarge         more bytes than the route takes
├── Unauthorized                no key, or one that is not valid
├── Forbidden                   the key lacks the scope
├── NotFound                    no such event, user, workflow or template
├── Conflict                    it contradicts what is already there
│   ├── InProgress              it is being done already: ask again after `retry_after`
│   └── StaleDefinitions        workflows or templates changed meanwhile: read them again
├── Unavailable                 something we need is down: ask again after `retry_after`
│   └── Overloaded              too much waits already: ask again after `retry_after`
├── TemplateError               a template can't be loaded or rendered: the reason names its line
└── DeliveryError               a provider call did not end well
    ├── TransientError          try again, not before `retry_after`
    ├── PermanentError          never try this message again
    │   └── AddressRejected     nor this address
    └── OutcomeUnknown          it left us and no answer came: not again before `retry_after` either
"""


class TidingsError(Exception):
    """The root: `except TidingsError` catches all that Tidings raises."""


class ConfigurationError(TidingsError):
    """A setting, plug-in or template is wrong; the message names it and the fix."""


class InvalidInput(TidingsError):
    """What was asked can't be taken; `field` is its place in dotted form, empty for the whole."""

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class PayloadTooLarge(InvalidInput):
    """The body or a part of it has more bytes than the route takes."""


class Unauthorized(TidingsError):
    """The request came without a key, or with one that is not valid."""


class Forbidden(TidingsError):
    """The key is valid and lacks the scope for what was asked."""


class NotFound(TidingsError):
    """No such event, user, workflow or template; `field` names what referred to it, if anything."""

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class Conflict(TidingsError):
    """What was asked contradicts what is already there."""


class InProgress(Conflict):
    """The same request is being stored at this moment; `retry_after` is in seconds."""

    def __init__(self, message: str, *, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class StaleDefinitions(Conflict):
    """Workflows or templates changed since they were read: read them again and repeat."""


class Unavailable(TidingsError):
    """Something we need is down; `retry_after` is in seconds."""

    def __init__(self, message: str, *, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Overloaded(Unavailable):
    """Too much waits already, so nothing new is accepted for `retry_after` seconds."""


class TemplateError(TidingsError):
    """A template can't be loaded or rendered; the message names the file and the line."""


class DeliveryError(TidingsError):
    """A provider call did not end well; raise one of its children."""


class TransientError(DeliveryError):
    """It may work later: try again, and not before `retry_after` seconds where one is given.

    `own` where the trouble is this message's or address's alone, so that it says nothing of how
    the integration fares: greylisting, a full mailbox.
    """

    def __init__(
        self, message: str, *, retry_after: float | None = None, own: bool = False
    ) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.own = own


class PermanentError(DeliveryError):
    """This message will never be taken."""


class AddressRejected(PermanentError):
    """The address is dead or refused: drop it."""


class OutcomeUnknown(DeliveryError):
    """The message left us and no answer came: it may or may not have been taken.

    `retry_after` is what somebody on the way asked for, a gateway perhaps. `own` where it says
    nothing of how the integration fares: an earlier call of this message is still at work there.
    """

    def __init__(
        self, message: str, *, retry_after: float | None = None, own: bool = False
    ) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.own = own
