"""What listens to the events of the daemon, and what nothing depends on."""
