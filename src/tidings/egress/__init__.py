"""The one way out: every outbound HTTP call of the program."""
