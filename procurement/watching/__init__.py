"""Watching a service from outside: a verifying copy of its log, and what nobody sees in one record alone."""
