"""The app in one process and in virtual time: clock, codec, durable engine, broker, event loop."""
