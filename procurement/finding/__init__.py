"""Finding tenders: what is kept of each for that, how it is asked for, and in which order it comes."""
