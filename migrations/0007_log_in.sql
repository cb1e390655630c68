-- Reading what is private: challenges, codes, sessions, passkeys, and who read what. Of every secret there is
-- only the SHA-256, so that whoever reads the database cannot come in with what is here.

CREATE TABLE challenge (
  hash bytea PRIMARY KEY CHECK (octet_length(hash) = 32),
  purpose text NOT NULL CHECK (purpose IN ('log-in', 'passkey-log-in', 'passkey')),
  session bytea,
  expires_at timestamptz NOT NULL
);
CREATE INDEX ON challenge (expires_at);
COMMENT ON TABLE challenge IS 'What has to be signed to come in, or in a session to enrol a passkey; each is good once. citus: local';

CREATE TABLE log_in_code (
  hash bytea PRIMARY KEY CHECK (octet_length(hash) = 32),
  certificate bytea NOT NULL REFERENCES certificate,
  expires_at timestamptz NOT NULL
);
COMMENT ON TABLE log_in_code IS 'Codes that a browser turns into a session, once. citus: local';

CREATE TABLE session (
  hash bytea PRIMARY KEY CHECK (octet_length(hash) = 32),
  certificate bytea NOT NULL REFERENCES certificate,
  role text NOT NULL,
  registration text NOT NULL,
  means text NOT NULL CHECK (means IN ('certificate', 'passkey')),
  began_at timestamptz NOT NULL,
  seen_at timestamptz NOT NULL,
  ends_at timestamptz NOT NULL
);
CREATE INDEX ON session (role, registration);
COMMENT ON TABLE session IS 'Who is logged in, under which certificate. citus: local';

CREATE TABLE passkey_holder (
  role text NOT NULL,
  registration text NOT NULL,
  handle bytea NOT NULL UNIQUE CHECK (octet_length(handle) = 32),
  PRIMARY KEY (role, registration)
);
COMMENT ON TABLE passkey_holder IS 'What authenticators know a person by: random, so that it says nothing. citus: local';

CREATE TABLE passkey (
  id bytea PRIMARY KEY CHECK (octet_length(id) = 32),
  credential bytea NOT NULL CHECK (octet_length(credential) <= 1023),
  role text NOT NULL,
  registration text NOT NULL,
  certificate bytea NOT NULL REFERENCES certificate,
  public_key bytea NOT NULL,
  sign_count bigint NOT NULL CHECK (sign_count >= 0),
  name text NOT NULL,
  added_at timestamptz NOT NULL,
  FOREIGN KEY (role, registration) REFERENCES passkey_holder
);
CREATE INDEX ON passkey (role, registration);
COMMENT ON TABLE passkey IS 'Public keys of authenticators, and under which certificate each was enrolled. citus: local';

CREATE TABLE access_journal (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at timestamptz NOT NULL,
  role text,
  registration text,
  what text NOT NULL
);
COMMENT ON TABLE access_journal IS 'Who came in or was turned away, and who read what is private. citus: local';

GRANT SELECT, INSERT, DELETE ON challenge, log_in_code TO openseal_service;
GRANT SELECT, INSERT, DELETE, UPDATE (seen_at) ON session TO openseal_service;
GRANT SELECT, INSERT ON passkey_holder, access_journal TO openseal_service;
GRANT SELECT, INSERT, DELETE, UPDATE (sign_count) ON passkey TO openseal_service;
