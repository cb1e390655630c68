-- Award records as they are kept, in the order of the log, and the files that open data is published in.

CREATE TABLE award_record (
  tender_id uuid PRIMARY KEY REFERENCES tender,
  ocid text NOT NULL,
  position bigint NOT NULL CHECK (position >= 0),
  awarded_at timestamptz NOT NULL,
  practice boolean NOT NULL,
  sha256 bytea CHECK (octet_length(sha256) = 32),
  manifest bytea CHECK (octet_length(manifest) = 32),
  size bigint CHECK (size > 0),
  CHECK ((sha256 IS NULL) = (manifest IS NULL) AND (sha256 IS NULL) = (size IS NULL))
);
CREATE INDEX award_record_order ON award_record (practice, position);
CREATE INDEX award_record_by_time ON award_record (practice, awarded_at, position);
CREATE INDEX award_record_to_make ON award_record (position) WHERE sha256 IS NULL;
COMMENT ON TABLE award_record IS
  'An award, by its log index and time; once its record is kept, the hashes of file and manifest. citus: distributed';

CREATE TABLE awards_seen (
  single boolean PRIMARY KEY DEFAULT true CHECK (single),
  position bigint NOT NULL CHECK (position >= 0)
);
COMMENT ON TABLE awards_seen IS
  'One row, locked by who reads on: the log index before which every award has its row. citus: local';
INSERT INTO awards_seen (position) VALUES (0);

GRANT SELECT, INSERT ON award_record TO openseal_service;
GRANT UPDATE (sha256, manifest, size) ON award_record TO openseal_service;
GRANT SELECT, UPDATE ON awards_seen TO openseal_service;

CREATE TABLE publication (
  path text PRIMARY KEY CHECK (path ~ '^(practice/)?(all-)?[0-9-]{7,10}$'),
  kind text NOT NULL CHECK (kind IN ('day', 'month', 'all')),
  practice boolean NOT NULL,
  last_day date NOT NULL,
  position bigint NOT NULL CHECK (position >= 0),
  list bytea NOT NULL,
  sha256 bytea NOT NULL UNIQUE CHECK (octet_length(sha256) = 32),
  room text NOT NULL,
  published_at timestamptz NOT NULL,
  superseded_at timestamptz,
  UNIQUE (kind, practice, last_day)
);
COMMENT ON TABLE publication IS
  'Files of a day, a month, or all: their list, which the log has the hash of, and where they lie. citus: local';

CREATE INDEX release_by_time ON release (practice, released_at, tender_id);

GRANT SELECT, INSERT ON publication TO openseal_service;
GRANT UPDATE (superseded_at) ON publication TO openseal_service;
