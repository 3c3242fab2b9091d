"""The gRPC runtime: interceptors, validation, health, reflection, drain."""
