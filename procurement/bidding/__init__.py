"""The bidder's side: a bid in a folder, from its draft to what became of it."""
