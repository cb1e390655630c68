"""Log-in: who may read what is private, shown by a certificate's key or by a passkey, kept as a session."""
