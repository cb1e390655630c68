-- What tenders, their procuring entities and their suppliers are found by. All of it follows from the statements
-- and the history, and is made anew from them where it is missing or of another version.

CREATE TABLE listing (
  tender_id uuid PRIMARY KEY REFERENCES tender,
  version smallint NOT NULL,
  ocid text NOT NULL,
  number text NOT NULL,
  language text NOT NULL,
  title text NOT NULL,
  translations jsonb NOT NULL,
  entity text NOT NULL,
  entity_name text NOT NULL,
  buyer text NOT NULL,
  buyer_name text NOT NULL,
  contact jsonb NOT NULL,
  category text,
  jurisdiction text,
  procedure text,
  method text,
  rule_sets text[] NOT NULL,
  classifications text[] NOT NULL,
  regions text[] NOT NULL,
  reserved_for text[] NOT NULL,
  currency text NOT NULL,
  value numeric CHECK (value >= 0),
  practice boolean NOT NULL,
  published timestamptz NOT NULL,
  deadline timestamptz NOT NULL,
  opens timestamptz NOT NULL,
  phase text NOT NULL,
  outcome text CHECK (outcome IN ('awarded', 'unsuccessful', 'cancelled')),
  over timestamptz CHECK ((over IS NULL) = (outcome IS NULL)),
  lexemes tsvector NOT NULL
);
CREATE INDEX listing_newest ON listing (published, tender_id);
CREATE INDEX listing_latest ON listing (deadline, tender_id);
CREATE INDEX listing_going_on ON listing (deadline, tender_id) WHERE outcome IS NULL;
CREATE INDEX listing_entity ON listing (entity, published, tender_id)
  INCLUDE (practice, outcome, deadline, over);
CREATE INDEX listing_awarded ON listing (published, tender_id) WHERE outcome = 'awarded';
CREATE INDEX listing_ended ON listing (published, tender_id) WHERE outcome IN ('unsuccessful', 'cancelled');
CREATE INDEX listing_practice ON listing (published, tender_id) WHERE practice;
CREATE INDEX listing_procedure ON listing (procedure, published, tender_id);
CREATE INDEX listing_value ON listing (currency, value);
CREATE INDEX listing_lexemes ON listing USING gin (lexemes) WITH (fastupdate = off);
COMMENT ON TABLE listing IS
  'A tender''s line in lists: facts from its notice, history and award, none from the box. citus: distributed';

CREATE TABLE listed_award (
  tender_id uuid NOT NULL REFERENCES tender,
  lot text NOT NULL,
  place integer NOT NULL CHECK (place >= 1),
  supplier text NOT NULL,
  name text NOT NULL,
  leads boolean NOT NULL,
  amount numeric NOT NULL CHECK (amount >= 0),
  made boolean NOT NULL,
  at timestamptz NOT NULL,
  PRIMARY KEY (tender_id, lot, place, supplier)
);
CREATE INDEX listed_award_supplier ON listed_award (supplier, at, tender_id, lot, place) WHERE made;
COMMENT ON TABLE listed_award IS
  'Who is awarded which lot for how much, or, where it is not made yet, is to be. citus: distributed';

CREATE TABLE listed_entity (
  id text PRIMARY KEY,
  name text NOT NULL,
  published timestamptz NOT NULL,
  in_earnest boolean NOT NULL,
  lexemes tsvector NOT NULL
);
CREATE INDEX listed_entity_name ON listed_entity (name, id) WHERE in_earnest;
CREATE INDEX listed_entity_lexemes ON listed_entity USING gin (lexemes) WITH (fastupdate = off);
COMMENT ON TABLE listed_entity IS
  'Procuring entities under the name of their latest tender; in_earnest once one was not for practice. citus: local';

GRANT SELECT, INSERT ON listing, listed_entity TO openseal_service;
GRANT UPDATE (
  version, ocid, number, language, title, translations, entity, entity_name, buyer, buyer_name, contact, category,
  jurisdiction, procedure, method, rule_sets, classifications, regions, reserved_for, currency, value, practice,
  published, deadline, opens, phase, outcome, over, lexemes
) ON listing TO openseal_service;
GRANT UPDATE (name, published, in_earnest, lexemes) ON listed_entity TO openseal_service;
GRANT SELECT, INSERT, DELETE ON listed_award TO openseal_service;
