"""A tender from notice to award: rules, steps, record, service."""
