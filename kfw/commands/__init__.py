"""One file per command: arguments in, one call of the client, words out."""
