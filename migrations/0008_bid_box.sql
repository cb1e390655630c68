-- The bid box under the deadline rush: withdrawals, documents that follow, covers, one sequencer at a time.

ALTER TABLE envelope
  ADD COLUMN kind text NOT NULL DEFAULT 'envelope' CHECK (kind IN ('envelope', 'withdrawal')),
  ADD COLUMN in_doubt boolean NOT NULL DEFAULT false;
ALTER TABLE envelope ALTER COLUMN kind DROP DEFAULT, ALTER COLUMN in_doubt DROP DEFAULT;
COMMENT ON TABLE envelope IS
  'The bid box: sealed envelopes and withdrawals with their receipts'' inputs. citus: distributed';

CREATE TABLE upload (
  tender_id uuid NOT NULL REFERENCES tender,
  id bytea NOT NULL CHECK (octet_length(id) = 32),
  envelope_id bytea NOT NULL,
  number integer NOT NULL CHECK (number BETWEEN 1 AND 100),
  sha256 bytea NOT NULL CHECK (octet_length(sha256) = 32),
  size bigint NOT NULL CHECK (size >= 0),
  token_hash bytea NOT NULL CHECK (octet_length(token_hash) = 32),
  received bigint NOT NULL DEFAULT 0 CHECK (received BETWEEN 0 AND size),
  PRIMARY KEY (tender_id, id),
  UNIQUE (tender_id, envelope_id, number),
  FOREIGN KEY (tender_id, envelope_id) REFERENCES envelope (tender_id, id)
);
COMMENT ON TABLE upload IS
  'Sealed files on their way in: how much of each has come, and the hash of what its bidder shows. citus: distributed';

CREATE TABLE upload_part (
  tender_id uuid NOT NULL,
  upload_id bytea NOT NULL,
  start bigint NOT NULL CHECK (start >= 0),
  size bigint NOT NULL CHECK (size > 0),
  name text NOT NULL,
  PRIMARY KEY (tender_id, upload_id, start),
  FOREIGN KEY (tender_id, upload_id) REFERENCES upload (tender_id, id) ON DELETE CASCADE
);
COMMENT ON TABLE upload_part IS
  'Objects in the store that a sealed file is made of, one after the other. citus: distributed';

CREATE TABLE document (
  tender_id uuid NOT NULL,
  id bytea NOT NULL CHECK (octet_length(id) = 32),
  envelope_id bytea NOT NULL,
  number integer NOT NULL CHECK (number BETWEEN 1 AND 100),
  sha256 bytea NOT NULL CHECK (octet_length(sha256) = 32),
  size bigint NOT NULL CHECK (size >= 0),
  stored_at timestamptz NOT NULL,
  salt bytea NOT NULL CHECK (octet_length(salt) = 32),
  in_doubt boolean NOT NULL,
  source bytea NOT NULL CHECK (octet_length(source) = 32),
  PRIMARY KEY (tender_id, id),
  UNIQUE (tender_id, envelope_id, number),
  FOREIGN KEY (tender_id, envelope_id) REFERENCES envelope (tender_id, id),
  FOREIGN KEY (tender_id, source) REFERENCES upload (tender_id, id)
);
COMMENT ON TABLE document IS
  'Sealed files that are there, with their receipts'' inputs; source is the upload whose parts they are made of. citus: distributed';

CREATE TABLE cover (
  salt bytea PRIMARY KEY CHECK (octet_length(salt) = 32),
  made_at timestamptz NOT NULL,
  day date
);
CREATE INDEX ON cover (made_at) WHERE day IS NULL;
COMMENT ON TABLE cover IS
  'Commitments to nothing, so that the log tells no number of bids; day once a statement revealed it. citus: local';

CREATE TABLE cover_statement (
  day date PRIMARY KEY,
  id bytea NOT NULL UNIQUE CHECK (octet_length(id) = 32),
  body bytea NOT NULL
);
COMMENT ON TABLE cover_statement IS 'Each day''s covers, revealed. citus: local';

ALTER TABLE log_head ADD COLUMN term bigint NOT NULL DEFAULT 0 CHECK (term >= 0);
COMMENT ON TABLE log_head IS
  'One row, locked by the sequencer: the signed head, how far it is public, and whose term it is. citus: local';

CREATE TABLE log_trouble (
  what text PRIMARY KEY,
  since timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE log_trouble IS 'What is wrong with the log at present, by whoever sequences it. citus: local';

GRANT SELECT, INSERT, DELETE, UPDATE (token_hash, received) ON upload TO openseal_service;
GRANT SELECT, INSERT, DELETE ON upload_part TO openseal_service;
GRANT SELECT, INSERT ON document, cover_statement TO openseal_service;
GRANT SELECT, INSERT, UPDATE (day) ON cover TO openseal_service;
GRANT SELECT, INSERT, DELETE ON log_trouble TO openseal_service;
