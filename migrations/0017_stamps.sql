-- What time-stamping authorities say of tenders' closings (RFC 3161).

CREATE TABLE closing_stamp (
  tender_id uuid PRIMARY KEY REFERENCES tender,
  token bytea NOT NULL CHECK (octet_length(token) BETWEEN 1 AND 65536)
);
COMMENT ON TABLE closing_stamp IS
  'A token about the checkpoint with which the closing was witnessed; none comes after the award. citus: distributed';

GRANT SELECT, INSERT ON closing_stamp TO openseal_service;
