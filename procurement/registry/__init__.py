"""Who is who: registration, approval, renewal and revocation of certificates."""
