"""The parts of tests/real/chaos that need no cluster: what is made of a run's records, and how it is judged."""
