"""What changes something in the network: one module for each protocol, one attempt a call; who asks decides when to repeat."""
