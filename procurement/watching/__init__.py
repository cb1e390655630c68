"""What anybody can do to watch a service from outside, with no more than what it publishes."""
