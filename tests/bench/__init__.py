"""What `make bench` measures: a module per area with `rows(config)`, listed in __main__.py; row.py says what a row is."""
