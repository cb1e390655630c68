-- What happens between a notice and its closing: enquiries, amendments, outages of the intake, deadlines that are
-- spread over slots; and tenders that end without an award.

ALTER TABLE tender ADD COLUMN terms bytea CHECK (octet_length(terms) = 32), ADD COLUMN terminated_at timestamptz;
UPDATE tender SET terms = sha256(E'openseal/v1/terms\\012'::bytea || notice_id);
ALTER TABLE tender ALTER COLUMN terms SET NOT NULL, DROP CONSTRAINT tender_check,
  ADD CONSTRAINT tender_check CHECK (shut_at >= deadline OR terminated_at IS NOT NULL);
CREATE INDEX ON tender (terminated_at) WHERE concluded_at IS NULL AND terminated_at IS NOT NULL;
COMMENT ON TABLE tender IS
  'A tender: terms and deadline as they are now, its box is shut at shut_at, its chain''s next entry is seq. citus: distributed';
GRANT UPDATE (deadline, terms, terminated_at) ON tender TO openseal_service;

ALTER TABLE draft DROP CONSTRAINT draft_kind_check, DROP CONSTRAINT draft_check,
  ADD CONSTRAINT draft_kind_check CHECK (kind IN ('notice', 'amendment', 'award', 'termination')),
  ADD CONSTRAINT draft_check CHECK ((due IS NULL) = (kind <> 'notice'));
COMMENT ON TABLE draft IS
  'What no second officer has signed yet, and notices whose time is still to come: not public. citus: distributed';

CREATE TABLE enquiry (
  tender_id uuid NOT NULL REFERENCES tender,
  id bytea NOT NULL CHECK (octet_length(id) = 32),
  registration text NOT NULL,
  body bytea NOT NULL,
  PRIMARY KEY (tender_id, id)
);
COMMENT ON TABLE enquiry IS
  'Businesses'' questions as they signed them, for the tender''s officers alone: answers are public. citus: distributed';

CREATE TABLE intake_up (
  since timestamptz PRIMARY KEY,
  until timestamptz NOT NULL CHECK (until >= since)
);
COMMENT ON TABLE intake_up IS
  'From when to when bids were taken, without a pause; the times between are outages. citus: local';

CREATE TABLE closing_slot (
  since timestamptz PRIMARY KEY,
  closings integer NOT NULL CHECK (closings >= 0)
);
COMMENT ON TABLE closing_slot IS 'How many deadlines fall into a slot of time. citus: local';

GRANT SELECT, INSERT ON enquiry TO openseal_service;
GRANT SELECT, INSERT, UPDATE (until) ON intake_up TO openseal_service;
GRANT SELECT, INSERT, UPDATE (closings) ON closing_slot TO openseal_service;
