"""The domain and its adapters: what is deployed with the functions."""
