"""The sizes of the simulated installation: a few virtual seconds hold a whole life."""

#: seconds of a lease, of a beat within it, between two polls, and until a call is broken off
LEASE, BEAT, POLL, CALL_SECONDS = 4.0, 1.0, 1.5, 7.0
#: seconds that what comes late takes at most
LATEST = 2.5
#: planners look more rarely: a look of theirs costs three of the others'
PLANNER_POLL = 4.0
#: calls a channel worker has under way at once
SLOTS = 2
#: with the one that is reserved for the critical lane
MOST_CALLS = SLOTS + 1
#: calls after which a delivery fails
ATTEMPTS = 6
