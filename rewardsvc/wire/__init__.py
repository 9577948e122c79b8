"""Protobuf messages to domain types and back: the only place that knows both."""
