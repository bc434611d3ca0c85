"""What a person sees and asks of the running system."""
