"""From the API server's JSON to trimmed objects, pure. Partial on purpose: what kfw does not use is skipped unread."""
