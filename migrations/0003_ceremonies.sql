-- Committees' ceremonies: a board on which members pin what they sign. Nothing here is secret, and nothing is
-- ever taken down; shares stand here only sealed for their member.

CREATE TABLE ceremony (
  id bytea PRIMARY KEY CHECK (octet_length(id) = 32),
  convening bytea NOT NULL,
  convened_at timestamptz NOT NULL,
  words integer NOT NULL DEFAULT 0 CHECK (words >= 0)
);
COMMENT ON TABLE ceremony IS 'A convening, and how many words have been said since. citus: local';

CREATE TABLE ceremony_word (
  ceremony_id bytea NOT NULL REFERENCES ceremony,
  place integer NOT NULL CHECK (place >= 1),
  id bytea NOT NULL CHECK (octet_length(id) = 32),
  body bytea NOT NULL,
  heard_at timestamptz NOT NULL,
  PRIMARY KEY (ceremony_id, place),
  UNIQUE (ceremony_id, id)
);
COMMENT ON TABLE ceremony_word IS 'What members said in a ceremony, in the order in which it was heard. citus: local';

GRANT SELECT, INSERT ON ceremony, ceremony_word TO openseal_service;
GRANT UPDATE (words) ON ceremony TO openseal_service;
