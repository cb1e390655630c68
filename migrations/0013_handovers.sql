-- Drafts on their way from whoever helped with a bid to the bidder's own phone, sealed from one to the other.

CREATE TABLE handover (
  id bytea PRIMARY KEY CHECK (octet_length(id) = 16),
  content bytea NOT NULL CHECK (octet_length(content) BETWEEN 1 AND 262144),
  expires_at timestamptz NOT NULL
);
CREATE INDEX handover_by_expiry ON handover (expires_at);
ALTER TABLE handover ALTER content SET STORAGE EXTERNAL;
COMMENT ON TABLE handover IS
  'Ciphertext under a key that is not here, for an hour at most. citus: local';

GRANT SELECT, INSERT, DELETE ON handover TO openseal_service;
