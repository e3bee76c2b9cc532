"""The rules: each decision names the one that made it, and each end the one it came by."""

from enum import StrEnum


class Rule(StrEnum):
    """The word for a rule, as the timeline, the API and the database have it."""

    #: the workflow is critical, so no preference counts
    CRITICAL = "critical"
    #: the user chose so
    PREFERENCE = "preference"
    #: nothing was chosen
    DEFAULT = "default"
    #: the step is a delay
    DELAY = "delay"
    #: the user can't be reached on the channel
    NO_ADDRESS = "no_address"
    #: the address is on the list of those that get nothing
    SUPPRESSED = "suppressed"
    #: there is no such template for the channel
    NO_TEMPLATE = "no_template"
    #: it is of no use to anybody any more
    EXPIRED = "expired"
    #: it runs once for each user, and it has already
    ONCE = "once"
    #: it was called off
    CANCELLED = "cancelled"
    #: after a wait, the user or the workflow's version is gone
    NO_USER = "no_user"
    NO_WORKFLOW = "no_workflow"
    #: right before the call, the user or the address is gone
    USER_GONE = "user_gone"
    ADDRESS_GONE = "address_gone"
    #: a person replayed it
    REPLAYED = "replayed"

    #: a call's answer never came, and no other call is wanted
    UNKNOWN_OUTCOME = "unknown_outcome"
    #: as many calls as there may be
    GAVE_UP = "gave_up"
    #: another call would come too long after it was planned, or replayed
    TOO_OLD = "too_old"
    #: the provider will never take this message, or nothing for this address; a plan is skipped
    #: by the latter where one refused the user's address before
    PERMANENT = "permanent"
    REJECTED = "rejected"
    #: it can't be rendered
    TEMPLATE = "template"
    #: too many workers died with it in hand
    WORKERS_DIED = "workers_died"
    #: an earlier call of it was taken, whose answer came late
    TAKEN = "taken"
