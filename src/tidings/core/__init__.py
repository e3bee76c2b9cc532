"""What everything else stands on: errors, values, ports, clock, ids, logs and metrics."""
