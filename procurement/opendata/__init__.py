"""Open data: what is public of tenders in OCDS, in the order of the log, for everybody to copy."""
