-- Releases in the order of the log, what they come to for each tender, and how far the log is released.
-- All of it follows from the log and the statements behind it.

CREATE TABLE release (
  tender_id uuid NOT NULL REFERENCES tender,
  seq integer NOT NULL CHECK (seq >= 0),
  position bigint NOT NULL CHECK (position >= 0),
  released_at timestamptz NOT NULL,
  practice boolean NOT NULL,
  body bytea NOT NULL,
  PRIMARY KEY (tender_id, seq)
);
CREATE INDEX release_feed ON release (practice, position);
COMMENT ON TABLE release IS
  'An OCDS release, by the entry that completed it: its place in the tender''s history, its log index, its time. citus: distributed';

CREATE TABLE compiled_release (
  tender_id uuid PRIMARY KEY REFERENCES tender,
  ocid text NOT NULL,
  position bigint NOT NULL CHECK (position >= 0),
  practice boolean NOT NULL,
  changed_at timestamptz NOT NULL,
  body bytea NOT NULL
);
CREATE INDEX compiled_release_order ON compiled_release (practice, position);
COMMENT ON TABLE compiled_release IS
  'All of a tender''s releases as one; position and time are the newest one''s. citus: distributed';

CREATE TABLE released (
  single boolean PRIMARY KEY DEFAULT true CHECK (single),
  position bigint NOT NULL CHECK (position >= 0),
  stopped_by text,
  stopped_at timestamptz,
  CHECK ((stopped_by IS NULL) = (stopped_at IS NULL))
);
COMMENT ON TABLE released IS
  'One row, locked by who releases: the log index before which all is released, and what stops it there. citus: local';
INSERT INTO released (position) VALUES (0);

GRANT SELECT, INSERT ON release, compiled_release TO openseal_service;
GRANT UPDATE (position, changed_at, body) ON compiled_release TO openseal_service;
GRANT SELECT, UPDATE ON released TO openseal_service;
