"""One module a protocol: its settings and what runs until cancelled, writing batches and notifications to channels."""
