"""A bid box: opaque sealed envelopes, no prices, no tender rules."""
