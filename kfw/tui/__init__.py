"""The terminal app behind `kfw tui`: what is forwarded, live, and every action on it. Only the command imports it."""
