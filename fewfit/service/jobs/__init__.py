"""What workers do: one module a job, and the processes that run them."""
