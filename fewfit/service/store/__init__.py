"""What the service keeps and where: tables, files, uploads, and the queue of jobs."""
