"""E-mail: building the mail, and the SMTP provider that carries it."""
