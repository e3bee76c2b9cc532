"""The Notification Service: takes events, decides what to tell whom, and can say why."""
