-- Programs list what is over by its deadline, the latest first: without these they walk past all that is not.

CREATE INDEX listing_awarded_latest ON listing (deadline, tender_id) WHERE outcome = 'awarded';
CREATE INDEX listing_ended_latest ON listing (deadline, tender_id) WHERE outcome IN ('unsuccessful', 'cancelled');
