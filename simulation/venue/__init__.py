"""An Alpaca-compatible venue: a pure matching engine and an HTTP face."""
