"""What travels over HTTP: requests as they arrive, answers as they are sent. Knows nothing of how either is used."""
