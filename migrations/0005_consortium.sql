-- Under which status a bidder was looked at, and who bids jointly with whom.

DO $$ BEGIN
  IF EXISTS (SELECT FROM tender) THEN
    RAISE EXCEPTION 'its tenders are kept in a form from before the first release: begin with an empty database';
  END IF;
END $$;

ALTER TABLE envelope ADD COLUMN status bytea NOT NULL CHECK (octet_length(status) = 32);

CREATE TABLE co_signature (
  tender_id uuid NOT NULL REFERENCES tender,
  envelope_id bytea NOT NULL CHECK (octet_length(envelope_id) = 32),
  fingerprint bytea NOT NULL REFERENCES certificate,
  id bytea NOT NULL CHECK (octet_length(id) = 32),
  body bytea NOT NULL,
  PRIMARY KEY (tender_id, envelope_id, fingerprint)
);
COMMENT ON TABLE co_signature IS
  'Partners'' words for joint bids: given before the envelope is sent, so it may never come. citus: distributed';

CREATE TABLE party (
  tender_id uuid NOT NULL REFERENCES tender,
  registration text NOT NULL,
  lead text NOT NULL,
  PRIMARY KEY (tender_id, registration)
);
COMMENT ON TABLE party IS
  'In whose bid a business is, alone or jointly: one only, even if a replacement drops it. citus: distributed';

GRANT SELECT, INSERT ON co_signature, party TO openseal_service;
