"""The four roles of a worker: read, step, write, acknowledge. Each runs in processes of its own."""
