"""What stands for machines: pods that really serve, node ports that really listen. Writes pod statuses, nothing else."""
