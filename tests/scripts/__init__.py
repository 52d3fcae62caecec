"""The shell scripts, run as a user runs them, on a machine whose PATH holds only what the test put there."""
