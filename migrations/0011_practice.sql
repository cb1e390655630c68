-- Who came to practise of late, and what there is to practise on.

CREATE INDEX application_practice ON application (received_at) WHERE registration LIKE 'practice-%';
CREATE INDEX tender_practice ON tender (deadline) WHERE ocid LIKE 'ocds-0s3al1-practice-%';
