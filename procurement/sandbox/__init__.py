"""The practice ground: tenders that are there at any time, for anybody, to learn on how to bid."""
