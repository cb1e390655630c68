"""Locks, signatures, certificates and the log. Knows nothing of procurement."""
