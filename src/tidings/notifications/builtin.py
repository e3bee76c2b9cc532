"""The workflows every installation has; one of the user's own with the same key replaces it."""

from tidings.core.models import DIRECT_MESSAGE, REGISTERED_USER
from tidings.notifications.workflow import Email, Workflow

WELCOME = Workflow(key="welcome", on=REGISTERED_USER, steps=[Email("welcome")], once=True)
DIRECT = Workflow(key="direct", on=DIRECT_MESSAGE, steps=[Email("direct")])

BUILT_IN = (WELCOME, DIRECT)
