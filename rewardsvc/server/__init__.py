"""The gRPC server: the only place that wires everything together."""
