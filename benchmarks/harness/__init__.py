"""What the measuring commands share: tasks, jobs, peers' environments, metrics, results, tables."""
