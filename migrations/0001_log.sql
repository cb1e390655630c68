-- The transparency log: what waits for an index, what has one, and the signed head.
-- Only the queue and the head ever change; the service may neither update nor delete the rest.

CREATE TABLE log_queue (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  entry bytea NOT NULL CHECK (octet_length(entry) <= 65535),
  leaf_hash bytea NOT NULL UNIQUE GENERATED ALWAYS AS (sha256('\x00'::bytea || entry)) STORED,
  queued_at timestamptz NOT NULL DEFAULT now()
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
ALTER TABLE log_queue ALTER COLUMN entry SET STORAGE EXTERNAL;
COMMENT ON TABLE log_queue IS 'Entries of committed transactions, waiting for the sequencer. citus: local';

CREATE TABLE log_entry (
  index bigint PRIMARY KEY CHECK (index >= 0),
  entry bytea NOT NULL,
  leaf_hash bytea NOT NULL UNIQUE GENERATED ALWAYS AS (sha256('\x00'::bytea || entry)) STORED
);
ALTER TABLE log_entry ALTER COLUMN entry SET STORAGE EXTERNAL;
COMMENT ON TABLE log_entry IS 'The leaves of the log, without gaps, each entry once. citus: local';

CREATE TABLE log_node (
  level smallint CHECK (level BETWEEN 1 AND 63),
  index bigint CHECK (index >= 0),
  hash bytea NOT NULL CHECK (octet_length(hash) = 32),
  PRIMARY KEY (level, index)
);
COMMENT ON TABLE log_node IS 'The rows of the tree above the leaf hashes, every eighth one. citus: local';

CREATE TABLE log_head (
  single boolean PRIMARY KEY DEFAULT true CHECK (single),
  size bigint NOT NULL CHECK (size >= 0),
  root bytea NOT NULL CHECK (octet_length(root) = 32),
  peaks bytea NOT NULL,
  note text,
  signed_at timestamptz NOT NULL,
  published_size bigint NOT NULL CHECK (published_size <= size),
  published_note text
);
COMMENT ON TABLE log_head IS 'One row, locked by the sequencer: the signed head, and how far it is public. citus: local';
INSERT INTO log_head (size, root, peaks, signed_at, published_size)
VALUES (0, sha256(''), '', 'epoch', 0);

CREATE TABLE log_checkpoint (
  size bigint PRIMARY KEY,
  note text NOT NULL,
  witnessed_at timestamptz NOT NULL
);
COMMENT ON TABLE log_checkpoint IS 'Checkpoints co-signed by the quorum of witnesses. citus: local';

GRANT SELECT, INSERT, DELETE ON log_queue TO openseal_service;
GRANT SELECT, INSERT ON log_entry, log_node, log_checkpoint TO openseal_service;
GRANT SELECT, UPDATE ON log_head TO openseal_service;
