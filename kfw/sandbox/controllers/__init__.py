"""What turns wishes into objects: pure functions from a view of the cluster to actions, and the one loop that does them."""
