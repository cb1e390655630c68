-- What waits for a second officer.

CREATE TABLE draft (
  tender_id uuid NOT NULL,
  id bytea NOT NULL CHECK (octet_length(id) = 32),
  kind text NOT NULL CHECK (kind IN ('notice', 'award')),
  ocid text NOT NULL,
  body bytea NOT NULL,
  registration text NOT NULL,
  made_at timestamptz NOT NULL,
  due timestamptz CHECK ((due IS NULL) = (kind = 'award')),
  countersignature bytea CHECK (kind = 'notice' OR countersignature IS NULL),
  PRIMARY KEY (tender_id, id)
);
CREATE INDEX ON draft (due) WHERE countersignature IS NOT NULL;
COMMENT ON TABLE draft IS
  'Notices and awards that no second officer has signed yet, and notices whose time is still to come: not public. citus: distributed';

GRANT SELECT, INSERT, UPDATE (countersignature) ON draft TO openseal_service;
