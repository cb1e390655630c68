-- What the steps promise of a tender's end, and of what happens to it once, held by the database, too.

ALTER TABLE tender
  ADD CONSTRAINT tender_terminated_check CHECK (terminated_at IS NULL OR shut_at IS NOT NULL),
  ADD CONSTRAINT tender_concluded_check CHECK (concluded_at IS NULL OR shut_at IS NOT NULL);

CREATE UNIQUE INDEX event_once ON event (tender_id, type) WHERE type IN (
  'tender:published', 'tender:countersigned', 'termination:countersigned', 'tender:terminated', 'tender:closed',
  'closing:late', 'draw:requested', 'panel:drawn', 'evaluation:scored', 'award:intended', 'award:countersigned',
  'award:made'
);
