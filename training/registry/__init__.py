"""What happens to a model after it was fitted: judged, promoted or refused, watched, taken back."""
