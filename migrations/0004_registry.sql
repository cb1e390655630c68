-- Who is who: applications and what registrars said to them, renewals, revocations, certificate status. The
-- service adds rows and never changes or deletes one, but that it writes the answer to an application beside it.

ALTER TABLE certificate ADD registration text NOT NULL DEFAULT '', ADD ends timestamptz NOT NULL DEFAULT 'epoch';
ALTER TABLE certificate ALTER registration DROP DEFAULT, ALTER ends DROP DEFAULT;
CREATE INDEX ON certificate (lower(registration), role);
COMMENT ON TABLE certificate IS 'Certificates that are known here, until when each is valid. citus: reference';

CREATE TABLE application (
  id bytea PRIMARY KEY CHECK (octet_length(id) = 32),
  body bytea NOT NULL,
  role text NOT NULL,
  registration text NOT NULL,
  received_at timestamptz NOT NULL,
  decision bytea,
  decision_id bytea UNIQUE CHECK (octet_length(decision_id) = 32),
  certificate bytea REFERENCES certificate,
  CHECK ((decision IS NULL) = (decision_id IS NULL)),
  CHECK (certificate IS NULL OR decision IS NOT NULL)
);
CREATE INDEX ON application (received_at) WHERE decision IS NULL;
COMMENT ON TABLE application IS
  'Applications for registration, not public, with the statement that decided each: no certificate, rejected. citus: reference';

CREATE TABLE representative (
  application_id bytea NOT NULL REFERENCES application,
  registration text NOT NULL,
  person text NOT NULL,
  PRIMARY KEY (application_id, person)
);
CREATE INDEX ON representative (registration);
CREATE INDEX ON representative (lower(person));
COMMENT ON TABLE representative IS
  'Persons with a number of their own who act for a registered business, not public. citus: reference';

CREATE TABLE invitation (
  digest bytea PRIMARY KEY CHECK (octet_length(digest) = 32),
  application_id bytea NOT NULL REFERENCES application
);
COMMENT ON TABLE invitation IS
  'One-time codes that are used up, as hashes; whom each let in is kept for the owner to look up. citus: reference';

CREATE TABLE renewal (
  id bytea PRIMARY KEY CHECK (octet_length(id) = 32),
  body bytea NOT NULL,
  parent bytea NOT NULL REFERENCES certificate,
  certificate bytea NOT NULL REFERENCES certificate
);
CREATE INDEX ON renewal (parent);
COMMENT ON TABLE renewal IS
  'Renewals, each with the certificate that signed it and the one that came of it. citus: reference';

CREATE TABLE revocation (
  certificate bytea PRIMARY KEY REFERENCES certificate,
  id bytea NOT NULL CHECK (octet_length(id) = 32),
  body bytea NOT NULL,
  revoked_at timestamptz NOT NULL
);
CREATE INDEX ON revocation (id);
COMMENT ON TABLE revocation IS
  'Certificates that a registrar revoked, since when: those that were named, and those renewed from them. citus: reference';

CREATE TABLE certificate_status (
  number bigint PRIMARY KEY CHECK (number >= 1),
  id bytea NOT NULL CHECK (octet_length(id) = 32),
  body bytea NOT NULL,
  made_at timestamptz NOT NULL
);
CREATE INDEX ON certificate_status (id);
COMMENT ON TABLE certificate_status IS
  'Every role''s revocation lists at a moment; that with the highest number counts. citus: reference';

CREATE TABLE status_number (
  single boolean PRIMARY KEY DEFAULT true CHECK (single),
  number bigint NOT NULL CHECK (number >= 0)
);
COMMENT ON TABLE status_number IS 'One row, locked by whoever makes a certificate status: the last number. citus: reference';
INSERT INTO status_number (number) VALUES (0);

GRANT SELECT, INSERT ON application, representative, invitation, renewal, revocation, certificate_status
  TO openseal_service;
GRANT UPDATE (decision, decision_id, certificate) ON application TO openseal_service;
GRANT SELECT, UPDATE ON status_number TO openseal_service;
