"""The page of a REST API: Swagger UI from here, and behind it on the same origin the forward, so that no CORS is needed."""
