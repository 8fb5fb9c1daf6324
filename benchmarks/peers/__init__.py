"""One worker a method. A worker runs in its own environment and knows nothing of tasks or metrics."""
