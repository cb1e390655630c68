-- Tenders, what was said about them, and the bid box. The service adds rows and never changes or deletes
-- one, but for a tender's own row: where its chain of log entries stands, and whether the box is shut.

CREATE TABLE certificate (
  fingerprint bytea PRIMARY KEY CHECK (octet_length(fingerprint) = 32),
  role text NOT NULL,
  der bytea NOT NULL
);
COMMENT ON TABLE certificate IS 'Certificates that the embedded authorities issued. citus: reference';

CREATE TABLE tender (
  tender_id uuid PRIMARY KEY,
  ocid text NOT NULL,
  notice_id bytea NOT NULL CHECK (octet_length(notice_id) = 32),
  deadline timestamptz NOT NULL,
  shut_at timestamptz CHECK (shut_at >= deadline),
  concluded_at timestamptz,
  seq bigint NOT NULL CHECK (seq >= 0),
  prev bytea NOT NULL CHECK (octet_length(prev) = 32)
);
CREATE INDEX ON tender (deadline) WHERE concluded_at IS NULL;
COMMENT ON TABLE tender IS 'A tender: its box is shut at shut_at, its chain''s next entry is seq. citus: distributed';

CREATE TABLE statement (
  tender_id uuid NOT NULL REFERENCES tender,
  id bytea NOT NULL CHECK (octet_length(id) = 32),
  body bytea NOT NULL,
  PRIMARY KEY (tender_id, id)
);
COMMENT ON TABLE statement IS 'Signed statements about a tender; score sheets become public together. citus: distributed';

CREATE TABLE event (
  tender_id uuid NOT NULL REFERENCES tender,
  seq bigint NOT NULL CHECK (seq >= 0),
  type text NOT NULL,
  entry bytea NOT NULL,
  PRIMARY KEY (tender_id, seq)
);
COMMENT ON TABLE event IS 'A tender''s history: its entries in the log. citus: distributed';

CREATE TABLE envelope (
  tender_id uuid NOT NULL REFERENCES tender,
  id bytea NOT NULL CHECK (octet_length(id) = 32),
  registration text NOT NULL,
  previous bytea CHECK (previous <> id),
  body bytea NOT NULL,
  accepted_at timestamptz NOT NULL,
  salt bytea NOT NULL CHECK (octet_length(salt) = 32),
  PRIMARY KEY (tender_id, id),
  UNIQUE (tender_id, registration, id),
  -- one first envelope for each bidder and one successor for each envelope: a chain cannot fork
  UNIQUE NULLS NOT DISTINCT (tender_id, registration, previous),
  FOREIGN KEY (tender_id, registration, previous) REFERENCES envelope (tender_id, registration, id)
);
ALTER TABLE envelope ALTER COLUMN body SET STORAGE EXTERNAL;
COMMENT ON TABLE envelope IS 'The bid box: sealed envelopes with their receipts'' inputs. citus: distributed';

CREATE TABLE opened_part (
  tender_id uuid NOT NULL,
  envelope_id bytea NOT NULL,
  part text NOT NULL,
  content bytea,
  reason text,
  PRIMARY KEY (tender_id, envelope_id, part),
  FOREIGN KEY (tender_id, envelope_id) REFERENCES envelope (tender_id, id),
  CHECK ((content IS NULL) <> (reason IS NULL))
);
COMMENT ON TABLE opened_part IS 'What came out of an envelope, or why nothing did. citus: distributed';

CREATE TABLE once (
  tender_id uuid NOT NULL REFERENCES tender,
  subject text NOT NULL,
  statement_id bytea NOT NULL,
  PRIMARY KEY (tender_id, subject),
  FOREIGN KEY (tender_id, statement_id) REFERENCES statement (tender_id, id)
);
COMMENT ON TABLE once IS
  'What may be said once only (a member''s order, an evaluator''s sheet, the intended award), and who said it. citus: distributed';

GRANT SELECT, INSERT ON certificate, tender, statement, event, envelope, opened_part, once TO openseal_service;
GRANT UPDATE (shut_at, concluded_at, seq, prev) ON tender TO openseal_service;
