"""An opening committee: the board that its words are put on, and each member's own client."""
