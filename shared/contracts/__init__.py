"""What crosses a boundary: messages, settings, model cards."""
